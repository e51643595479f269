package coordinator

import (
	"encoding/json"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// The values of the store's keys; keys.go draws the layout. Fields that a later
// version adds are ignored; what this version cannot do without would raise FormatVersion.

type formatValue struct {
	Version   int    `json:"version"`
	ClusterID string `json:"clusterId"`
}

type brokerValue struct {
	Endpoints []endpointValue `json:"endpoints"`
	Rack      string          `json:"rack,omitempty"`
	Directory string          `json:"directory,omitempty"`
}

type endpointValue struct {
	Name string `json:"name"`
	Host string `json:"host"`
	Port int32  `json:"port"`
}

type controllerValue struct {
	Broker protocol.BrokerID `json:"broker"`
}

type topicValue struct {
	Name     string                `json:"name"`
	ID       string                `json:"id"`
	Replicas [][]protocol.BrokerID `json:"replicas"`
	Configs  map[string]string     `json:"configs,omitempty"`
}

type partitionValue struct {
	Leader         protocol.BrokerID    `json:"leader"`
	LeaderEpoch    protocol.LeaderEpoch `json:"leaderEpoch"`
	ISR            []protocol.BrokerID  `json:"isr"`
	PartitionEpoch int32                `json:"partitionEpoch"`
}

type producerIDsValue struct {
	Next protocol.ProducerID `json:"next"`
}

// encode cannot fail on the types above.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("coordinator: encode %T: %v", v, err))
	}
	return b
}

func decode[V any](kv KeyValue) (V, error) {
	var v V
	if err := json.Unmarshal(kv.Value, &v); err != nil {
		return v, fmt.Errorf("key %s at revision %d: %w", kv.Key, kv.ModRevision, err)
	}
	return v, nil
}

func (b Broker) value() brokerValue {
	v := brokerValue{Rack: b.Rack, Directory: b.DirectoryID}
	for _, e := range b.Endpoints {
		v.Endpoints = append(v.Endpoints, endpointValue(e))
	}
	return v
}

func (v brokerValue) broker(id protocol.BrokerID, incarnation int64) Broker {
	b := Broker{ID: id, Rack: v.Rack, Incarnation: incarnation, DirectoryID: v.Directory}
	for _, e := range v.Endpoints {
		b.Endpoints = append(b.Endpoints, Endpoint(e))
	}
	return b
}

func (t *Topic) value() topicValue {
	v := topicValue{Name: t.Name, ID: t.ID.String(), Configs: t.Configs}
	for i := range t.Partitions {
		v.Replicas = append(v.Replicas, t.Partitions[i].Replicas)
	}
	return v
}

// topic makes a topic whose partitions are as they were made.
func (v topicValue) topic(modRevision int64) (*Topic, error) {
	id, err := parseTopicID(v.ID)
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", v.Name, err)
	}
	t := &Topic{
		Name:        v.Name,
		ID:          id,
		Partitions:  newPartitions(v.Replicas, 0),
		Configs:     v.Configs,
		Internal:    isInternal(v.Name),
		modRevision: modRevision,
	}
	if t.Configs == nil {
		t.Configs = map[string]string{}
	}
	return t, nil
}

// newPartitions makes partitions with these replicas, numbered from first: led
// by the first replica, with all in sync.
func newPartitions(replicas [][]protocol.BrokerID, first int) []Partition {
	partitions := make([]Partition, len(replicas))
	for i, r := range replicas {
		leader := protocol.NoBroker
		if len(r) > 0 {
			leader = r[0]
		}
		partitions[i] = Partition{Index: int32(first + i), Leader: leader, Replicas: r, ISR: r}
	}
	return partitions
}

func (p *Partition) value() partitionValue {
	return partitionValue{Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, ISR: p.ISR, PartitionEpoch: p.PartitionEpoch}
}

// with is the partition in another state.
func (p Partition) with(v partitionValue, stateRevision int64) Partition {
	p.Leader, p.LeaderEpoch, p.ISR, p.PartitionEpoch = v.Leader, v.LeaderEpoch, v.ISR, v.PartitionEpoch
	p.stateRevision = stateRevision
	return p
}
