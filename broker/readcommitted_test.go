package broker

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// pastCoordinator is a partition into which transactions are written past the
// coordinator: the log's side of them alone.
type pastCoordinator struct {
	t *testing.T
	s *Server
	w *wire
}

func startPastCoordinator(t *testing.T) (*pastCoordinator, *kgo.Client) {
	s, cl := startServer(t)
	b := &pastCoordinator{t: t, s: s, w: dial(t, s.Addr(""))}
	b.w.createTopic("t", 1)
	return b, cl
}

type proposed struct{ done chan *replica.Proposal }

func (p proposed) Completed(q *replica.Proposal) { p.done <- q }

// write appends a batch of one record to a producer's transaction.
func (b *pastCoordinator) write(id protocol.ProducerID, sequence protocol.Sequence, timeMs int64) {
	b.t.Helper()
	raw, err := record.NewBuilder(record.CodecNone).Producer(id, 0, sequence).Transactional().
		Add(record.Record{Value: []byte("v"), Timestamp: timeMs}).Build()
	if err != nil {
		b.t.Fatal(err)
	}
	batch, _, err := record.View(raw)
	if err != nil {
		b.t.Fatal(err)
	}
	p := proposed{make(chan *replica.Proposal, 1)}
	b.s.hosted.Topic("t").Partition(0).Propose(&replica.Proposal{Batch: batch, Acks: replica.AcksAll, Done: p})
	if q := <-p.done; q.Result.Err != nil {
		b.t.Fatal(q.Result.Err)
	}
}

func (b *pastCoordinator) end(id protocol.ProducerID, commit bool) {
	b.t.Helper()
	done := make(chan error, 1)
	b.s.hosted.Topic("t").Partition(0).WriteMarker(
		replica.Marker{Producer: id, Epoch: 1, Commit: commit, CoordinatorEpoch: 5, Number: 1}, 0, func(err error) { done <- err })
	if err := <-done; err != nil {
		b.t.Fatal(err)
	}
}

func readCommitted(req *kmsg.FetchRequest) *kmsg.FetchRequest {
	req.IsolationLevel = 1
	return req
}

// abortedOf lists producer and first offset of each; "null" where the list is.
func abortedOf(p *kmsg.FetchResponseTopicPartition) (all []string) {
	if p.AbortedTransactions == nil {
		return []string{"null"}
	}
	all = []string{}
	for _, a := range p.AbortedTransactions {
		all = append(all, strconv.FormatInt(a.ProducerID, 10)+"@"+strconv.FormatInt(a.FirstOffset, 10))
	}
	return all
}

func (b *pastCoordinator) offset(isolation int8, at int64) (offset, timestamp int64) {
	b.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.IsolationLevel = isolation
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Timestamp = at
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic, rt.Partitions = "t", []kmsg.ListOffsetsRequestTopicPartition{rp}
	req.Topics = []kmsg.ListOffsetsRequestTopic{rt}
	got := ask[*kmsg.ListOffsetsResponse](b.w, 7, req).Topics[0].Partitions[0]
	if got.ErrorCode != 0 {
		b.t.Fatal(kerr.ErrorForCode(got.ErrorCode))
	}
	return got.Offset, got.Timestamp
}

// Goal: consumers of either isolation are told what Kafka tells them, in every version.
// Method: two transactions, one aborted and one open, read as each version has it.
func TestReadCommittedEndsAtTheLastStableOffset(t *testing.T) {
	b, cl := startPastCoordinator(t)
	write(t, cl, "t", 0, 10) // 0
	b.write(42, 0, 30)       // 1
	b.write(43, 0, 20)       // 2
	write(t, cl, "t", 0, 5)  // 3
	b.end(42, false)         // 4
	for _, v := range []int16{4, 5, 7, 11, 12} {
		req := asksFor(0, 1)
		req.SessionEpoch = -1
		plain := ask[*kmsg.FetchResponse](b.w, v, req).Topics[0].Partitions[0]
		if plain.HighWatermark != 5 || plain.LastStableOffset != 2 || !slices.Equal(abortedOf(&plain), []string{"null"}) {
			t.Errorf("v%d, uncommitted: %d, %d, %v", v, plain.HighWatermark, plain.LastStableOffset, abortedOf(&plain))
		}
		stable := ask[*kmsg.FetchResponse](b.w, v, readCommitted(asksFor(0, 1))).Topics[0].Partitions[0]
		if stable.HighWatermark != 5 || stable.LastStableOffset != 2 || !slices.Equal(abortedOf(&stable), []string{"42@1"}) ||
			len(stable.RecordBatches) == 0 || len(stable.RecordBatches) >= len(plain.RecordBatches) {
			t.Errorf("v%d, committed: %d, %d, %v, %d of %d bytes", v, stable.HighWatermark, stable.LastStableOffset, abortedOf(&stable),
				len(stable.RecordBatches), len(plain.RecordBatches))
		}
	}
	req := readCommitted(asksFor(2, 1))
	req.MaxWaitMillis = 0
	end := ask[*kmsg.FetchResponse](b.w, 11, req).Topics[0].Partitions[0]
	if len(end.RecordBatches) != 0 || !slices.Equal(abortedOf(&end), []string{}) || end.ErrorCode != 0 {
		t.Errorf("at the last stable offset there are %d bytes, %v, code %d", len(end.RecordBatches), abortedOf(&end), end.ErrorCode)
	}
	for _, c := range []struct {
		isolation        int8
		at, offset, time int64
	}{
		{0, -1, 5, -1}, {1, -1, 2, -1}, {0, -3, 1, 30}, {1, -3, 1, 30},
		{0, 20, 1, 30}, {1, 11, 1, 30}, {0, 31, -1, -1}, {1, 31, -1, -1},
	} {
		if offset, at := b.offset(c.isolation, c.at); offset != c.offset || at != c.time {
			t.Errorf("isolation %d, time %d: offset %d at %d, want %d at %d", c.isolation, c.at, offset, at, c.offset, c.time)
		}
	}
	b.describe()
	if code := b.delete(3); code != kerr.OffsetOutOfRange.Code {
		t.Errorf("records are deleted beyond the last stable offset: %d", code)
	}
	if code := b.delete(-1); code != 0 {
		t.Errorf("records are not deleted up to it: %d", code)
	}
	if start, _ := b.offset(0, -2); start != 2 {
		t.Errorf("the log starts at %d", start)
	}
}

func (b *pastCoordinator) describe() {
	b.t.Helper()
	req := kmsg.NewPtrDescribeProducersRequest()
	rt := kmsg.NewDescribeProducersRequestTopic()
	rt.Topic, rt.Partitions = "t", []int32{0}
	req.Topics = []kmsg.DescribeProducersRequestTopic{rt}
	for _, p := range ask[*kmsg.DescribeProducersResponse](b.w, 0, req).Topics[0].Partitions[0].ActiveProducers {
		switch {
		case p.ProducerID == 42 && (p.ProducerEpoch != 1 || p.LastSequence != -1 || p.CoordinatorEpoch != 5 || p.CurrentTxnStartOffset != -1),
			p.ProducerID == 43 && (p.ProducerEpoch != 0 || p.LastSequence != 0 || p.CoordinatorEpoch != -1 || p.CurrentTxnStartOffset != 2):
			b.t.Errorf("%+v", p)
		}
	}
}

func (b *pastCoordinator) delete(before int64) int16 {
	b.t.Helper()
	req := kmsg.NewPtrDeleteRecordsRequest()
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = before
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic, rt.Partitions = "t", []kmsg.DeleteRecordsRequestTopicPartition{rp}
	req.Topics = []kmsg.DeleteRecordsRequestTopic{rt}
	return ask[*kmsg.DeleteRecordsResponse](b.w, 2, req).Topics[0].Partitions[0].ErrorCode
}

// TestAWaitingReaderIsToldOfTheCommit: a read_committed fetch that waits, in a session
// too, is answered when the marker is committed, and not when its time is up.
func TestAWaitingReaderIsToldOfTheCommit(t *testing.T) {
	b, _ := startPastCoordinator(t)
	b.write(42, 0, 1)
	first := readCommitted(asksFor(0, 1))
	first.SessionEpoch, first.MaxWaitMillis = 0, 0
	session := ask[*kmsg.FetchResponse](b.w, 12, first)
	if session.SessionID == 0 || len(session.Topics[0].Partitions[0].RecordBatches) != 0 {
		t.Fatalf("session %d has %d bytes", session.SessionID, len(session.Topics[0].Partitions[0].RecordBatches))
	}
	began := time.Now()
	plain, inSession := make(chan *kmsg.FetchResponse, 1), make(chan *kmsg.FetchResponse, 1)
	go func() { plain <- ask[*kmsg.FetchResponse](dial(t, b.s.Addr("")), 11, readCommitted(asksFor(0, 1))) }()
	go func() {
		req := kmsg.NewPtrFetchRequest()
		req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = 25_000, 1, 1<<20, 1
		req.SessionID, req.SessionEpoch = session.SessionID, 1
		inSession <- ask[*kmsg.FetchResponse](b.w, 12, req)
	}()
	time.Sleep(20 * time.Millisecond)
	b.end(42, false)
	for name, answer := range map[string]chan *kmsg.FetchResponse{"alone": plain, "in a session": inSession} {
		got := <-answer
		if len(got.Topics) != 1 {
			t.Fatalf("%s: %d topics", name, len(got.Topics))
		}
		p := got.Topics[0].Partitions[0]
		if p.LastStableOffset != 2 || !slices.Equal(abortedOf(&p), []string{"42@0"}) || len(p.RecordBatches) == 0 {
			t.Errorf("%s: %d, %v, %d bytes", name, p.LastStableOffset, abortedOf(&p), len(p.RecordBatches))
		}
	}
	if time.Since(began) > 20*time.Second {
		t.Error("they were answered because their time was up")
	}
}
