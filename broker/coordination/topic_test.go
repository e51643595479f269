package coordination

import (
	"slices"
	"testing"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

func TestGrowthSpreadsReplicasAndLeaders(t *testing.T) {
	topic := &image.Topic{}
	for i := range int32(6) {
		one := protocol.PartitionState{Replicas: []protocol.BrokerID{1}}
		topic.Partitions = append(topic.Partitions, image.Partition{Index: i, PartitionState: one})
	}
	topic.Partitions[5].Adding = []protocol.BrokerID{2}
	topic.Partitions = append(topic.Partitions, image.Partition{
		PartitionState: protocol.PartitionState{Replicas: []protocol.BrokerID{1, 9}, ISR: protocol.Members{{ID: 1}}},
		Index:          6, Adding: []protocol.BrokerID{9},
	})
	brokers := []image.Broker{{ID: 1}, {ID: 2}, {ID: 3}, {ID: 4, Leaving: true}}
	led := map[protocol.BrokerID]int{}
	targets := growth(topic, brokers, 3)
	gone := protocol.TopicPartition{Index: 6}
	if back, ok := targets[gone]; !ok || back != nil {
		t.Errorf("a growth towards a broker that is gone goes on: %v", back)
	}
	delete(targets, gone)
	for id, target := range targets {
		led[target[0]]++
		if slices.Sort(target); !slices.Equal(target, []protocol.BrokerID{1, 2, 3}) {
			t.Errorf("partition %d gets %v", id.Index, target)
		}
	}
	if len(targets) != 5 || led[2] != 2 || led[3] != 2 {
		t.Errorf("%d partitions grow, and are to be led so: %v", len(targets), led)
	}
	if more := growth(&image.Topic{Partitions: topic.Partitions[:4]}, brokers[:1], 3); len(more) != 0 {
		t.Errorf("with one broker, %v grow", more)
	}
}
