package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
)

// Writers go on while one broker after the other stops and comes back. What was
// acknowledged is there, once, in the writer's order, and equal on all.
func TestNothingIsLostWhileBrokersComeAndGo(t *testing.T) {
	ps := startPeers(t, 3, func(c *Config) {
		c.LagTimeMax = 200 * time.Millisecond
		c.TopicDefaults = map[string]string{"min.insync.replicas": "2"}
	})
	const partitions = 3
	ps.create("a", partitions, 1, 2, 3)
	writing, done := context.WithCancel(context.Background())
	defer done()
	acked := make([][]string, partitions)
	var writers sync.WaitGroup
	for i := range int32(partitions) {
		cl := ps.client()
		writers.Go(func() {
			for n := 0; writing.Err() == nil; n++ {
				value := fmt.Sprintf("%d-%d", i, n)
				err := cl.ProduceSync(context.Background(), &kgo.Record{Topic: "a", Partition: i, Value: []byte(value)}).FirstErr()
				if err != nil {
					t.Errorf("%s: %v", value, err)
					return
				}
				acked[i] = append(acked[i], value)
			}
		})
	}
	for i := range int32(partitions) {
		// A broker comes back under another address: a client that knows none yet would be lost.
		ps.await("the writers to write", func() bool { return ps.partition(1, "a", i).End() > 0 })
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		id := protocol.BrokerID(1 + rng.IntN(3))
		ps.halt(id)
		ps.restart(id)
		for i := range int32(partitions) {
			ps.awaitInSync("a", i, id)
		}
	}
	done()
	writers.Wait()
	for i := range int32(partitions) {
		ps.awaitEqual("a", i, 1, 2, 3)
		ps.compare(i, acked[i])
	}
}

// compare reads a partition of topic a and compares it with what was acknowledged.
func (ps *peers) compare(index int32, acked []string) {
	ps.t.Helper()
	cl := ps.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"a": {index: kgo.NewOffset().AtStart()}}))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(context.Background(), wireTimeout)
	defer cancel()
	at := 0
	for at < len(acked) {
		fetches := cl.PollFetches(ctx)
		if errors.Is(fetches.Err0(), context.DeadlineExceeded) {
			ps.t.Fatalf("partition %d: %d of %d records are there", index, at, len(acked))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if at < len(acked) && string(r.Value) != acked[at] {
				ps.t.Fatalf("partition %d has %s at offset %d, and %s was acknowledged", index, r.Value, r.Offset, acked[at])
			}
			at++
		})
	}
	if at > len(acked) {
		ps.t.Errorf("partition %d has %d records, and %d were acknowledged", index, at, len(acked))
	}
	ps.t.Logf("partition %d: %d records", index, at)
}
