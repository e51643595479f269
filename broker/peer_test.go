package broker

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
)

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
	cl := ps.client(kgo.ProducerBatchMaxBytes(20_000_000), kgo.BrokerMaxWriteBytes(100<<20), kgo.ProducerBatchCompression(kgo.NoCompression()))
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
