package broker

import (
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// forDeposed is how brokers are set up for deposed. No session lapses: on a busy
// machine broker 1 would lose it, and register in an epoch in which it leads nothing.
func forDeposed(c *Config) { c.LagTimeMax, c.SessionTimeout = 300*time.Millisecond, time.Hour }

// deposed makes topic a, which broker 1 leads as far as it knows, with records
// up to 10 of its epoch; broker 2 leads it in truth, in the next epoch, with
// records up to 30. It returns both epochs.
func deposed(ps *peers) (old, now int32) {
	ps.t.Helper()
	ps.createAt(1, "a", 1, 2, 1, 3)
	ps.halt(2)
	ps.await("broker 1 to lead", func() bool { return ps.at(ps.all[1], "a", 0).Leader == 1 })
	ps.restart(2)
	ps.awaitInSync("a", 0, 2)
	ps.produceTo(1, "a", 10)
	ps.awaitEqual("a", 0, 1, 2, 3)
	old = int32(ps.partition(1, "a", 0).Epoch())

	ps.t.Cleanup(ps.all[1].store.(*losableStore).freeze())
	if code := ask[*kmsg.ElectLeadersResponse](dial(ps.t, ps.all[3].Addr("")), 2, leaderRequest(0, "a", 0)).ErrorCode; code != 0 {
		ps.t.Fatalf("elect broker 2: code %d", code)
	}
	ps.await("broker 2 to lead", func() bool { return ps.partition(2, "a", 0).State().Role == replica.RoleLeader })
	ps.produceTo(2, "a", 20)
	ps.await("broker 2 to have committed all", func() bool { return ps.partition(2, "a", 0).HighWatermark() == 30 })
	now = int32(ps.partition(2, "a", 0).Epoch())
	if at := ps.partition(1, "a", 0); now <= old || int32(at.Epoch()) != old || at.State().SteppedAside {
		ps.t.Fatalf("broker 1 is in epoch %d, was in %d, and broker 2 is in %d", at.Epoch(), old, now)
	}
	return old, now
}

// produceTo appends records, each in a batch of its own, at one broker.
func (ps *peers) produceTo(at protocol.BrokerID, topic string, n int) {
	ps.t.Helper()
	w := dial(ps.t, ps.all[at].Addr(""))
	for range n {
		batch := record.NewBuilder(record.CodecNone)
		batch.Add(record.Record{Timestamp: nowMs(), Value: []byte("v")})
		raw, err := batch.Build()
		if err != nil {
			ps.t.Fatal(err)
		}
		req := kmsg.NewPtrProduceRequest()
		req.Acks, req.TimeoutMillis = -1, 10_000
		req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: raw}}}}
		if code := ask[*kmsg.ProduceResponse](w, 9, req).Topics[0].Partitions[0].ErrorCode; code != 0 {
			ps.t.Fatalf("produce to broker %d: code %d", at, code)
		}
	}
}

// TestADeposedLeaderDoesNotSayWhatIsNotInTheLog: it does not know it, and the
// clients, who have read from its successor, would believe it, and begin anew or end.
func TestADeposedLeaderDoesNotSayWhatIsNotInTheLog(t *testing.T) {
	ps := startPeers(t, 3, forDeposed)
	old, now := deposed(ps)
	elsewhere := kerr.NotLeaderForPartition.Code
	epochs := func(current, last int32) func(*kmsg.FetchRequest) {
		return func(r *kmsg.FetchRequest) {
			rp := &r.Topics[0].Partitions[0]
			rp.CurrentLeaderEpoch, rp.LastFetchedEpoch = current, last
		}
	}
	for _, c := range []struct {
		what      string
		at        protocol.BrokerID
		offset    int64
		set       func(*kmsg.FetchRequest)
		code      int16
		diverging int64 // where; -1: not
	}{
		{"deposed, beyond its end", 1, 30, epochs(-1, -1), elsewhere, -1},
		{"deposed, beyond its end, an epoch that it does not know", 1, 30, epochs(-1, now), elsewhere, -1},
		{"deposed, what it has, an epoch that it does not know", 1, 10, epochs(-1, now), elsewhere, -1},
		{"deposed, of a client that names its epoch", 1, 30, epochs(now, now), kerr.UnknownLeaderEpoch.Code, -1},
		{"deposed, what it has", 1, 9, epochs(old, old), 0, -1},
		{"leader, at its end", 2, 30, epochs(now, now), 0, -1},
		{"leader, beyond its end", 2, 31, epochs(now, now), kerr.OffsetOutOfRange.Code, -1},
		{"leader, of an epoch that ended before", 2, 11, epochs(now, old), 0, 10},
		{"leader, of an epoch that never was", 2, 30, epochs(now, now+5), 0, 30},
		{"leader, of a client that lags", 2, 30, epochs(old, old), kerr.FencedLeaderEpoch.Code, -1},
	} {
		part := fetchOf(ps, c.at, "a", 12, c.offset, c.set).Topics[0].Partitions[0]
		if part.ErrorCode != c.code || part.DivergingEpoch.EndOffset != c.diverging {
			t.Errorf("fetch of %s: code %d, diverging at %d; want %d and %d", c.what, part.ErrorCode, part.DivergingEpoch.EndOffset, c.code, c.diverging)
		}
	}
	for _, c := range []struct {
		at     protocol.BrokerID
		before int64
		code   int16
		start  int64
	}{
		{1, 5, elsewhere, -1}, {1, 20, elsewhere, -1}, {2, 40, kerr.OffsetOutOfRange.Code, -1},
	} {
		got := ask[*kmsg.DeleteRecordsResponse](dial(t, ps.all[c.at].Addr("")), 2, deleteRecordsRequest("a", c.before)).Topics[0].Partitions[0]
		if got.ErrorCode != c.code || got.LowWatermark != c.start {
			t.Errorf("broker %d deletes before %d: start %d, code %d; want %d, %d", c.at, c.before, got.LowWatermark, got.ErrorCode, c.start, c.code)
		}
	}
	if start := ps.partition(1, "a", 0).Start(); start != 0 {
		t.Errorf("the leader that was deposed has deleted records before %d", start)
	}
	for _, c := range []struct {
		at        protocol.BrokerID
		timestamp int64
		code      int16
		offset    int64
	}{
		{1, timeLatest, elsewhere, -1}, {1, timeMax, elsewhere, -1}, {1, math.MaxInt64, elsewhere, -1}, {1, 0, 0, 0}, {1, timeEarliest, 0, 0},
		{2, timeLatest, 0, 30}, {2, math.MaxInt64, 0, -1},
	} {
		if got := dial(t, ps.all[c.at].Addr("")).at(8, "a", c.timestamp); got.ErrorCode != c.code || got.Offset != c.offset {
			t.Errorf("broker %d lists offset %d for %d, code %d; want %d, %d", c.at, got.Offset, c.timestamp, got.ErrorCode, c.offset, c.code)
		}
	}
	for _, c := range []struct {
		at    protocol.BrokerID
		asked int32
		code  int16
		end   int64
	}{
		{1, now, elsewhere, -1}, {1, old, 0, 10}, {2, now, 0, 30}, {2, old, 0, 10}, {2, now + 1, 0, -1},
	} {
		got := ask[*kmsg.OffsetForLeaderEpochResponse](dial(t, ps.all[c.at].Addr("")), 4, leaderEpochRequest("a", c.asked)).Topics[0].Partitions[0]
		if got.ErrorCode != c.code || got.EndOffset != c.end {
			t.Errorf("broker %d says of epoch %d that it ends at %d, code %d; want %d, %d", c.at, c.asked, got.EndOffset, got.ErrorCode, c.end, c.code)
		}
	}
}

// TestALeaderThatDoubtsSaysNothingOfTheLog but what is in it.
func TestALeaderThatDoubtsSaysNothingOfTheLog(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("a", 1, 1, 2)
	ps.produceTo(1, "a", 10)
	p := ps.partition(1, "a", 0)
	ps.halt(2)
	ps.await("broker 1 to lead alone", func() bool { return len(p.State().ISR) == 1 })
	ps.await("broker 1 to step aside", func() bool { p.StepAside(0); return p.State().SteppedAside })
	elsewhere := kerr.NotLeaderForPartition.Code
	if part := fetchOf(ps, 1, "a", 12, 11).Topics[0].Partitions[0]; part.ErrorCode != elsewhere {
		t.Errorf("fetch beyond the end: code %d, want %d", part.ErrorCode, elsewhere)
	}
	if part := fetchOf(ps, 1, "a", 12, 0).Topics[0].Partitions[0]; part.ErrorCode != 0 || len(part.RecordBatches) == 0 {
		t.Errorf("what is committed stays readable: code %d", part.ErrorCode)
	}
	w := dial(t, ps.all[1].Addr(""))
	for _, timestamp := range []int64{timeLatest, timeEarliest, timeMax, 0} {
		if got := w.at(8, "a", timestamp); got.ErrorCode != elsewhere {
			t.Errorf("list offsets, %d: code %d, want %d", timestamp, got.ErrorCode, elsewhere)
		}
	}
	if got := ask[*kmsg.OffsetForLeaderEpochResponse](w, 4, leaderEpochRequest("a", 0)).Topics[0].Partitions[0]; got.ErrorCode != elsewhere {
		t.Errorf("where epoch 0 ends: code %d, want %d", got.ErrorCode, elsewhere)
	}
}

// TestAFollowerDoesNotSayWhatIsNotInTheLog: its leader may have it.
func TestAFollowerDoesNotSayWhatIsNotInTheLog(t *testing.T) {
	ps := startPeers(t, 2)
	ps.create("a", 1, 1, 2)
	ps.produceTo(1, "a", 10)
	ps.awaitEqual("a", 0, 1, 2)
	unknown := func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].LastFetchedEpoch = 3 }
	part := fetchOf(ps, 2, "a", 12, 5, unknown).Topics[0].Partitions[0]
	if part.ErrorCode != kerr.NotLeaderForPartition.Code || part.DivergingEpoch.EndOffset != -1 {
		t.Errorf("what was read in an epoch that a follower does not know: code %d, diverging at %d", part.ErrorCode, part.DivergingEpoch.EndOffset)
	}
}

// TestABrokerStopsThoughAProofIsWaitedFor: nobody tells it that time is up.
func TestABrokerStopsThoughAProofIsWaitedFor(t *testing.T) {
	ps := startPeers(t, 3, forDeposed)
	deposed(ps)
	requests := map[string]kmsg.Request{
		"ListOffsets": listOffsetsRequest("a", timeLatest), "DeleteRecords": deleteRecordsRequest("a", 5), "OffsetForLeaderEpoch": leaderEpochRequest("a", 99),
	}
	fetch := kmsg.NewPtrFetchRequest()
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = 30, 1<<20
	fetch.Topics, fetch.MaxBytes = []kmsg.FetchRequestTopic{{Topic: "a", Partitions: []kmsg.FetchRequestTopicPartition{rp}}}, 1<<20
	requests["Fetch"] = fetch
	for name, req := range requests {
		w := dial(t, ps.all[1].Addr(""))
		req.SetVersion(map[string]int16{"ListOffsets": 7, "DeleteRecords": 2, "OffsetForLeaderEpoch": 4, "Fetch": 12}[name])
		for id := range int32(30) { // each waits in vain, for a second, after the one before
			if _, err := w.nc.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID(name)).AppendRequest(nil, req, id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(100 * time.Millisecond) // they are read
	stopped := make(chan struct{})
	go func() { ps.halt(1); close(stopped) }()
	select {
	case <-stopped:
	case <-time.After(patience):
		t.Fatal("broker 1 does not stop")
	}
}
