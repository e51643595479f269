package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// place is a partition and the broker that leads it just now.
type place struct {
	topic     string
	topicID   kadm.TopicID
	partition int32
	leader    int32 // -1 while there is none
	epoch     int32 // in which it leads
}

// locate asks the cluster who leads a partition. A negative partition stands
// for the only one of a topic.
func locate(ctx context.Context, client *kgo.Client, topic string, partition int32) (place, error) {
	meta, err := kadm.NewClient(client).Metadata(ctx, topic)
	if err != nil {
		return place{}, err
	}
	d, ok := meta.Topics[topic]
	if !ok {
		return place{}, fmt.Errorf("topic %q does not exist", topic)
	}
	if d.Err != nil {
		return place{}, topicError(topic, d.Err)
	}
	if partition < 0 {
		if len(d.Partitions) != 1 {
			return place{}, fmt.Errorf("topic %q has %d partitions and locks are per partition; choose one with -p", topic, len(d.Partitions))
		}
		partition = 0
	}
	p, ok := d.Partitions[partition]
	if !ok {
		return place{}, fmt.Errorf("topic %q has no partition %d; it has %s", topic, partition, span(d.Partitions))
	}
	return place{topic, d.ID, partition, p.Leader, p.LeaderEpoch}, nil
}

func span(ps kadm.PartitionDetails) string {
	numbers := ps.Numbers()
	if len(numbers) == 0 {
		return "none"
	}
	slices.Sort(numbers)
	return fmt.Sprintf("%d to %d", numbers[0], numbers[len(numbers)-1])
}
