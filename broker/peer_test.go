package broker

import (
	"context"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
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
