package command

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Place is a partition and the broker that leads it just now.
type Place struct {
	Topic     string
	TopicID   kadm.TopicID
	Partition int32
	Leader    int32 // -1 while there is none
	Epoch     int32 // in which it leads
}

// Locate asks the cluster who leads a partition. A negative partition stands
// for the only one of a topic.
func Locate(ctx context.Context, client *kgo.Client, topic string, partition int32) (Place, error) {
	meta, err := kadm.NewClient(client).Metadata(ctx, topic)
	if err != nil {
		return Place{}, err
	}
	d, ok := meta.Topics[topic]
	if !ok {
		return Place{}, fmt.Errorf("topic %q does not exist", topic)
	}
	if d.Err != nil {
		return Place{}, TopicError(topic, d.Err)
	}
	if partition < 0 {
		if len(d.Partitions) != 1 {
			return Place{}, fmt.Errorf("topic %q has %d partitions and locks are per partition; choose one with -p", topic, len(d.Partitions))
		}
		partition = 0
	}
	p, ok := d.Partitions[partition]
	if !ok {
		return Place{}, fmt.Errorf("topic %q has no partition %d; it has %s", topic, partition, PartitionRange(d.Partitions))
	}
	return Place{topic, d.ID, partition, p.Leader, p.LeaderEpoch}, nil
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

// FetchRequest asks for a partition from an offset on; last is the leader epoch of
// what stands before it, -1 if that is not known.
func FetchRequest(at Place, from int64, last int32) *kmsg.FetchRequest {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = at.Partition, from, readBytesMax
	p.CurrentLeaderEpoch, p.LastFetchedEpoch = at.Epoch, last
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID, t.Partitions = at.Topic, at.TopicID, append(t.Partitions, p)
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, readBytesMax, -1
	req.Topics = append(req.Topics, t)
	return req
}

const readBytesMax = 4 << 20
