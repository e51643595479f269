package cluster

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Broker 4 takes the place of broker 3 where it can, and another live one where
// it holds the partition already.
func TestABrokerIsReplacedWhereverItHoldsAPartition(t *testing.T) {
	topics := kadm.TopicDetails{"t": {Topic: "t", Partitions: kadm.PartitionDetails{
		0: {Topic: "t", Partition: 0, Replicas: []int32{1, 3}},
		1: {Topic: "t", Partition: 1, Replicas: []int32{3, 4}},
		2: {Topic: "t", Partition: 2, Replicas: []int32{1, 2}},
	}}}
	live := []int32{1, 2, 4} // broker 3 is down, and holds replicas
	r := &reassign{replace: "3=4"}
	if err := r.knows(topics, live); err != nil {
		t.Fatal(err)
	}
	req, err := r.targets(topics, live)
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[int32][]int32{0: {1, 4}, 1: {2, 4}} {
		if got := req["t"][p]; !slices.Equal(got, want) {
			t.Errorf("partition %d goes to %v, want %v", p, got, want)
		}
	}
	if _, moved := req["t"][2]; moved {
		t.Error("a partition moves that broker 3 does not hold")
	}
}
