package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
)

// uncompressed is for a client that sends large batches.
var uncompressed = []kgo.Opt{kgo.ProducerBatchMaxBytes(20_000_000), kgo.BrokerMaxWriteBytes(100 << 20), kgo.ProducerBatchCompression(kgo.NoCompression())}

// produceAll writes n records of a size to one partition with acks=all.
func produceAll(t *testing.T, cl *kgo.Client, topic string, partition int32, n, size int) {
	t.Helper()
	recs := make([]*kgo.Record, n)
	for i := range recs {
		value := make([]byte, size)
		copy(value, fmt.Sprint(i))
		recs[i] = &kgo.Record{Topic: topic, Partition: partition, Value: value}
	}
	if err := cl.ProduceSync(context.Background(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestFollowersHaveWhatTheLeaderHas(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("a", 4, 1, 2, 3)
	cl := ps.client()
	for i := range int32(4) {
		produceAll(t, cl, "a", i, 50, 100)
	}
	for i := range int32(4) {
		ps.awaitEqual("a", i, 1, 2, 3)
	}
}

func TestFollowerThatWasAwayCatchesUp(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("a", 2, 1, 2, 3)
	cl := ps.client()
	produceAll(t, cl, "a", 0, 10, 1000)
	ps.halt(3)
	for i := range int32(2) {
		produceAll(t, cl, "a", i, 3000, 4000)
	}
	ps.restart(3)
	for i := range int32(2) {
		ps.awaitEqual("a", i, 1, 2, 3)
		ps.awaitInSync("a", i, 3)
	}
}

func TestLeadershipMovesWithoutALoss(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("a", 2, 1, 2, 3)
	cl := ps.client()
	for round := range 4 {
		leader := ps.leader("a", 0)
		produceAll(t, cl, "a", 0, 20, 500)
		ps.halt(leader)
		produceAll(t, cl, "a", 0, 20, 500)
		ps.restart(leader)
		ps.awaitInSync("a", 0, leader)
		if end := ps.partition(leader, "a", 0).End(); end < protocol.Offset(40*(round+1)) {
			t.Fatalf("round %d: broker %d has %d records", round, leader, end)
		}
	}
	ps.awaitEqual("a", 0, 1, 2, 3)
	if end := ps.partition(1, "a", 0).End(); end != 160 {
		t.Errorf("the log ends at %d, and 160 records were written", end)
	}
}

// A batch larger than what one partition may have of an answer, among others.
func TestLargeBatchesAreReplicated(t *testing.T) {
	ps := startPeers(t, 2, func(c *Config) { c.TopicDefaults = map[string]string{"max.message.bytes": "20000000"} })
	ps.create("a", 3, 1, 2)
	cl := ps.client(uncompressed...)
	var all sync.WaitGroup
	for i := range int32(3) {
		all.Go(func() {
			produceAll(t, cl, "a", i, 3, 6_000_000)
			produceAll(t, cl, "a", i, 1, 18_000_000)
			produceAll(t, cl, "a", i, 100, 100)
		})
	}
	all.Wait()
	for i := range int32(3) {
		ps.awaitEqual("a", i, 1, 2)
	}
}

// A topic that is deleted and made again is another: nobody mixes them up.
func TestTopicThatIsMadeAgainIsFollowedAnew(t *testing.T) {
	ps := startPeers(t, 2)
	for round := range 5 {
		ps.create("a", 3, 1, 2)
		cl := ps.client() // a new one does not know of the old topic
		for i := range int32(3) {
			produceAll(t, cl, "a", i, round+1, 10)
			ps.awaitEqual("a", i, 1, 2)
		}
		if end := ps.partition(2, "a", 0).End(); end != protocol.Offset(round+1) {
			t.Fatalf("round %d: the follower's log ends at %d", round, end)
		}
		if errs, err := kadm.NewClient(cl).DeleteTopics(context.Background(), "a"); err != nil || errs.Error() != nil {
			t.Fatal(err, errs.Error())
		}
		ps.await("the topic to be gone everywhere", func() bool {
			return ps.all[1].hosted.Topic("a") == nil && ps.all[2].hosted.Topic("a") == nil
		})
	}
	ps.await("nothing to be followed that is gone", func() bool { return ps.all[2].fetchers.Followers() == 0 })
}

// The lag of a follower that is away can be seen.
func TestLagIsMeasured(t *testing.T) {
	ps := startPeers(t, 2, func(c *Config) { c.LagTimeMax = 100 * time.Millisecond })
	ps.create("a", 1, 1, 2)
	ps.halt(2)
	produceAll(t, ps.client(), "a", 0, 7, 100)
	if offsets := ps.all[1].gauge(t, "lockstep_replica_lag_offsets"); offsets != 7 {
		t.Errorf("a lag of %v offsets", offsets)
	}
	if bytes := ps.all[1].gauge(t, "lockstep_replica_lag_bytes"); bytes != float64(len(logBytes(t, ps.partition(1, "a", 0)))) {
		t.Errorf("a lag of %v bytes", bytes)
	}
	ps.restart(2)
	ps.awaitEqual("a", 0, 1, 2)
	ps.await("no lag", func() bool { return ps.all[1].gauge(t, "lockstep_replica_lag_offsets") == 0 })
}

// gauge is the only value of a metric.
func (p *peer) gauge(t *testing.T, name string) float64 {
	t.Helper()
	all, err := p.metrics.Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if f.GetName() == name && len(f.Metric) == 1 {
			return f.Metric[0].Gauge.GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// A refusal that cites nothing in the log waits until every replica that might
// lead instead has said that it does not: the rounds go there and back.
func TestRefusalsAreConfirmedByTheFollowers(t *testing.T) {
	ps := startPeers(t, 3)
	ps.create("a", 1, 1, 2, 3)
	cl := ps.client()
	produceAll(t, cl, "a", 0, 3, 10)
	for range 5 {
		beyond := &kgo.Record{Topic: "a", Value: []byte("x"), Headers: []kgo.RecordHeader{
			{Key: "lock-write", Value: []byte("l")}, {Key: "lock-basis", Value: []byte("1000")},
		}}
		if err := cl.ProduceSync(context.Background(), beyond).FirstErr(); !errors.Is(err, kerr.InvalidRecord) {
			t.Fatalf("a basis that nobody can have read: %v", err)
		}
	}
	if round := ps.partition(1, "a", 0).Round(); round < 5 {
		t.Errorf("round %d", round)
	}
	ps.awaitEqual("a", 0, 1, 2, 3)
}

// A follower that has all there is sends no fetches. Its leader knows all the
// same that it is there, and asks again until it is in sync.
func TestFollowerOfAnIdlePartitionComesIntoSync(t *testing.T) {
	lag := 100 * time.Millisecond
	ps := startPeers(t, 2, func(c *Config) { c.LagTimeMax = lag })
	ps.create("a", 1, 1, 2)
	ps.halt(2)
	produceAll(t, ps.client(), "a", 0, 5, 100)
	store := ps.all[1].store.(*losableStore)
	store.lost.Store(true)
	ps.restart(2)
	ps.await("the follower to have all", func() bool { return ps.partition(2, "a", 0).End() == 5 })
	time.Sleep(3 * lag) // now its last fetch is too old
	store.lost.Store(false)
	ps.awaitInSync("a", 0, 2)
}
