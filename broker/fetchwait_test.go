package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/broker/transport"
)

// asksFor is a fetch of t-0 from an offset on that waits for so many bytes.
func asksFor(offset int64, bytesMin int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.SessionEpoch = 25_000, bytesMin, 1<<20, -1
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = offset, 1<<20
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.Partitions = "t", []kmsg.FetchRequestTopicPartition{rp}
	req.Topics = []kmsg.FetchRequestTopic{rt}
	return req
}

// TestFetchThatWaitsForManyBatchesIsAnsweredWithTheLast: it is woken when the
// log has grown by what it lacks, whatever moves came before, and long before
// its time is up.
func TestFetchThatWaitsForManyBatchesIsAnsweredWithTheLast(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	write(t, cl, "t", 0, 1)
	one := len(ask[*kmsg.FetchResponse](w, 11, asksFor(0, 1)).Topics[0].Partitions[0].RecordBatches)
	for next := int64(1); next < 60; next += 6 {
		began := time.Now()
		answered := make(chan *kmsg.FetchResponse, 1)
		go func() { answered <- ask[*kmsg.FetchResponse](w, 11, asksFor(next, int32(6*one-one/2))) }()
		for i := range int64(6) {
			write(t, cl, "t", 0, next+i)
		}
		got := (<-answered).Topics[0].Partitions[0]
		if len(got.RecordBatches) != 6*one || got.HighWatermark != next+6 {
			t.Fatalf("from %d on: %d bytes up to %d, want %d up to %d", next, len(got.RecordBatches), got.HighWatermark, 6*one, next+6)
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("it was answered because its time was up")
		}
	}
}

// TestFetchThatLacksBytesIsToldThatTheTopicIsGone, whatever it still waits for.
func TestFetchThatLacksBytesIsToldThatTheTopicIsGone(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	began := time.Now()
	answered := make(chan *kmsg.FetchResponse, 1)
	go func() { answered <- ask[*kmsg.FetchResponse](w, 11, asksFor(0, 1<<19)) }()
	write(t, cl, "t", 0, 1, 2, 3)
	ask[*kmsg.DeleteTopicsResponse](dial(t, s.Addr("")), 5, deleteTopicRequest("t"))
	code := (<-answered).Topics[0].Partitions[0].ErrorCode
	if code != kerr.UnknownTopicOrPartition.Code || time.Since(began) > 20*time.Second {
		t.Errorf("code %d after %s", code, time.Since(began))
	}
}

// beginSession begins a session of t-0, whose reader has all up to an offset.
func beginSession(w *wire, offset int64) (id int32) {
	req := asksFor(offset, 1)
	req.SessionEpoch, req.MaxWaitMillis = fetching.InitialEpoch, 0
	return ask[*kmsg.FetchResponse](w, 11, req).SessionID
}

// sessionWaits has the session's request of an epoch wait on a connection of its own.
func sessionWaits(t *testing.T, s *Server, id, epoch int32) <-chan *kmsg.FetchResponse {
	w := dial(t, s.Addr(""))
	req := asksFor(0, 1)
	req.SessionID, req.SessionEpoch, req.Topics = id, epoch, nil
	answered := make(chan *kmsg.FetchResponse, 1)
	go func() { answered <- ask[*kmsg.FetchResponse](w, 11, req) }()
	time.Sleep(50 * time.Millisecond) // for it to wait; were it slower, the test would not fail
	return answered
}

func soon(t *testing.T, answered <-chan *kmsg.FetchResponse) *kmsg.FetchResponse {
	t.Helper()
	select {
	case resp := <-answered:
		return resp
	case <-time.After(patience):
		t.Fatal("it waits")
		return nil
	}
}

// TestASessionsLaterRequestEndsTheWaitOfTheEarlier: the client has given up on it, and
// on its connection.
func TestASessionsLaterRequestEndsTheWaitOfTheEarlier(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	id := beginSession(w, 0)
	first := sessionWaits(t, s, id, 1)
	second := sessionWaits(t, s, id, 2)
	if got := soon(t, first); got.ErrorCode != kerr.InvalidFetchSessionEpoch.Code || len(got.Topics) != 0 {
		t.Errorf("the first is answered %d with %d topics", got.ErrorCode, len(got.Topics))
	}
	write(t, cl, "t", 0, 1)
	if got := soon(t, second); got.ErrorCode != 0 || len(got.Topics) != 1 || got.SessionID != id {
		t.Errorf("the second is answered %d with %d topics", got.ErrorCode, len(got.Topics))
	}
}

// TestASessionThatIsEndedWhileItsRequestWaitsIsAnsweredOnceMore, as in Kafka.
func TestASessionThatIsEndedWhileItsRequestWaitsIsAnsweredOnceMore(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	id := beginSession(w, 0)
	waiting := sessionWaits(t, s, id, 1)
	s.fetchSessions.End(id)
	write(t, cl, "t", 0, 1)
	if got := soon(t, waiting); got.ErrorCode != 0 || len(got.Topics) != 1 || got.SessionID != id {
		t.Errorf("it is answered %d with %d topics, session %d of %d", got.ErrorCode, len(got.Topics), got.SessionID, id)
	}
	if got := soon(t, sessionWaits(t, s, id, 2)); got.ErrorCode != kerr.FetchSessionIDNotFound.Code {
		t.Errorf("the next is answered %d", got.ErrorCode)
	}
}

// TestAWaitingFetchLooksOnlyAtWhatHasMoved, of however many partitions it is, and
// only once for however many moves.
func TestAWaitingFetchLooksOnlyAtWhatHasMoved(t *testing.T) {
	const partitions = 300
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", partitions)
	req := asksFor(0, 1)
	for i := int32(1); i < partitions; i++ {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition, rp.PartitionMaxBytes = i, 1<<20
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, rp)
	}
	f := &clientFetch{srv: s, x: &transport.Exchange{}, version: 11, epoch: fetching.FinalEpoch, bytesMin: 1 << 20}
	if err := f.begin(req); err != nil {
		t.Fatal(err)
	}
	defer f.session.Release()
	if f.look(f.session.Pending()); f.enough() || len(f.session.Pending()) != partitions {
		t.Fatalf("%d partitions are looked at first", len(f.session.Pending()))
	}
	if moved := f.session.Watch(f.session.Pending()); len(moved) > 0 {
		t.Fatalf("%d partitions have moved", len(moved))
	}
	write(t, cl, "t", 17, 1, 2, 3)
	write(t, cl, "t", 99, 1)
	<-f.session.Wake()
	moved := f.session.TakeMoved()
	if len(moved) != 2 || moved[0].Index+moved[1].Index != 17+99 {
		t.Fatalf("%d partitions are looked at then", len(moved))
	}
	f.look(moved)
	if all := f.session.Answer(11, true); len(all.Parts) != partitions || all.Parts[17].HighWatermark != 3 || all.Parts[17].Bytes == 0 {
		t.Errorf("the answer has %d partitions", len(all.Parts))
	} else {
		all.Release()
	}
}
