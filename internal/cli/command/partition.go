package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// FindPartition makes sure that a topic has a partition, and returns it. A negative
// one stands for the only one of a topic.
func FindPartition(ctx context.Context, client *kgo.Client, topic string, partition int32) (int32, error) {
	meta, err := kadm.NewClient(client).Metadata(ctx, topic)
	if err != nil {
		return -1, err
	}
	d, ok := meta.Topics[topic]
	if !ok {
		return -1, fmt.Errorf("topic %q does not exist", topic)
	}
	if d.Err != nil {
		return -1, TopicError(topic, d.Err)
	}
	if partition < 0 {
		if len(d.Partitions) != 1 {
			return -1, fmt.Errorf("topic %q has %d partitions and locks are per partition; choose one with -p", topic,
				len(d.Partitions))
		}
		return 0, nil
	}
	if _, ok := d.Partitions[partition]; !ok {
		return -1, fmt.Errorf("topic %q has no partition %d; it has %s", topic, partition, PartitionRange(d.Partitions))
	}
	return partition, nil
}

// PartitionRange says which partitions there are: 0 to 2.
func PartitionRange(ps kadm.PartitionDetails) string {
	numbers := ps.Numbers()
	if len(numbers) == 0 {
		return "none"
	}
	slices.Sort(numbers)
	return fmt.Sprintf("%d to %d", numbers[0], numbers[len(numbers)-1])
}
