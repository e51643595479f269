package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
)

// TestConsumersWhoseSessionsAreEvictedLoseNothing: each of three reads 100 partitions
// in a session, of which others take the place again and again, and must see each
// record once and in order.
func TestConsumersWhoseSessionsAreEvictedLoseNothing(t *testing.T) {
	const partitions, records, consumers = 100, 2000, 3
	s, cl := startServer(t, func(c *Config) { c.FetchSessions, c.FetchSessionEviction = Give(consumers), time.Millisecond })
	dial(t, s.Addr("")).createTopic("t", partitions)
	ended := make(chan error, consumers)
	for range consumers {
		reader, err := kgo.NewClient(kgo.SeedBrokers(s.Addr("")), kgo.ConsumeTopics("t"), kgo.FetchMaxWait(50*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(reader.Close)
		go func() { ended <- readsAll(t, reader, records) }()
	}
	stopEvicting := make(chan struct{})
	defer close(stopEvicting)
	go evictSessions(s, stopEvicting)
	for i := range int64(records) {
		cl.Produce(t.Context(), &kgo.Record{Topic: "t", Partition: int32(i % partitions), Value: []byte("v")}, nil)
		if i%10 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range consumers {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if st := s.fetchSessions.Stats(); st.Evictions < 5 {
		t.Errorf("%d sessions were evicted: the test has shown nothing", st.Evictions)
	}
}

// evictSessions takes the place of whatever session is used least, and gives it free.
func evictSessions(s *Server, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		other := fetching.NewSession(false, []fetching.Listing{{Key: fetching.Key{Name: "other"}}})
		if s.fetchSessions.Add(other, sinceStartMs()) {
			s.fetchSessions.End(other.ID())
		}
		other.Release()
	}
}

// readsAll reads so many records, and checks that each partition's are whole.
func readsAll(t *testing.T, reader *kgo.Client, records int) (err error) {
	next := map[int32]int64{}
	for n := 0; n < records && err == nil; {
		fetches := reader.PollFetches(t.Context())
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != next[r.Partition] {
				err = fmt.Errorf("partition %d: offset %d came after %d", r.Partition, r.Offset, next[r.Partition]-1)
			}
			next[r.Partition] = r.Offset + 1
			n++
		})
		if e := fetches.Err0(); e != nil {
			return e
		}
	}
	return err
}

// TestAConsumerGoesOnWhenARestartHasEndedItsFetchSession: the broker that comes back
// knows no session of before. Who asks in one is told so (70) and begins anew with all
// of its partitions; a stock consumer reads each record once.
func TestAConsumerGoesOnWhenARestartHasEndedItsFetchSession(t *testing.T) {
	const before, after = 100, 100
	addr := "127.0.0.1:" + freePort(t)
	ps := startPeers(t, 1, func(c *Config) { c.Listeners[0].Addr = addr })
	ps.create("t", 1, 1)
	writer, reader := ps.client(), ps.client(kgo.ConsumeTopics("t"), kgo.FetchMaxWait(50*time.Millisecond))
	ended := make(chan error, 1)
	go func() { ended <- readsAll(t, reader, before+after) }()
	writeEach(t, writer, before)
	id := beginSession(dial(t, addr), before)
	ps.await("both to be in sessions", func() bool { return ps.all[1].fetchSessions.Stats().Sessions == 2 })

	ps.halt(1)
	ps.restart(1)
	w := dial(t, addr)
	req := asksFor(0, 1)
	req.SessionID, req.SessionEpoch, req.Topics = id, 1, nil
	if resp := ask[*kmsg.FetchResponse](w, 11, req); resp.ErrorCode != kerr.FetchSessionIDNotFound.Code || resp.SessionID != 0 {
		t.Errorf("in the session of before: code %d, session %d", resp.ErrorCode, resp.SessionID)
	}
	if beginSession(w, before) == 0 {
		t.Error("no session can be begun")
	}
	writeEach(t, writer, after)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	ps.await("the consumer to be in a session again", func() bool { return ps.all[1].fetchSessions.Stats().Sessions == 2 })
}

// writeEach writes n records to t-0, each in a batch of its own.
func writeEach(t *testing.T, cl *kgo.Client, n int) {
	t.Helper()
	for range n {
		if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("v")}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}
