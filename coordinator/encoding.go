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
	HTTP      string          `json:"http,omitempty"`
	Directory string          `json:"directory,omitempty"`
	Process   string          `json:"life,omitempty"`

	PreviousEpoch protocol.BrokerEpoch `json:"before,omitempty"`
	Lost          []lostValue          `json:"lost,omitempty"`
	LostSince     protocol.BrokerEpoch `json:"lostSince,omitempty"`
}

type lostValue struct {
	Topic      string  `json:"topic"`
	Partitions []int32 `json:"partitions"`
}

type directoryValue struct {
	Directory string `json:"directory"`
}

type suspectValue struct {
	Epoch protocol.BrokerEpoch `json:"incarnation"`
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
	Name     string                   `json:"name"`
	ID       string                   `json:"id"`
	Replicas [][]protocol.BrokerID    `json:"replicas"`
	Joined   [][]protocol.BrokerEpoch `json:"joined,omitempty"`
	Configs  map[string]string        `json:"configs,omitempty"`
}

type partitionValue struct {
	Leader         protocol.BrokerID      `json:"leader"`
	LeaderEpoch    protocol.LeaderEpoch   `json:"leaderEpoch"`
	ISR            []protocol.BrokerID    `json:"isr"`
	Joined         []protocol.BrokerEpoch `json:"joined,omitempty"`
	PartitionEpoch int32                  `json:"partitionEpoch"`
	Replicas       []protocol.BrokerID    `json:"replicas,omitempty"` // once reassigned
	Adding         []protocol.BrokerID    `json:"adding,omitempty"`
	Removing       []protocol.BrokerID    `json:"removing,omitempty"`
}

type forgottenValue struct {
	Revision int64 `json:"revision"`
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

func (b *Broker) value() brokerValue {
	v := brokerValue{Rack: b.Rack, HTTP: b.HTTP, Directory: b.DirectoryID, Process: b.process, PreviousEpoch: b.PreviousEpoch, LostSince: b.lostSince}
	for _, e := range b.Endpoints {
		v.Endpoints = append(v.Endpoints, endpointValue(e))
	}
	at := map[protocol.TopicID]int{}
	for _, id := range b.Lost {
		i, ok := at[id.Topic]
		if !ok {
			i = len(v.Lost)
			at[id.Topic] = i
			v.Lost = append(v.Lost, lostValue{Topic: id.Topic.String()})
		}
		v.Lost[i].Partitions = append(v.Lost[i].Partitions, id.Index)
	}
	return v
}

func (v *brokerValue) broker(id protocol.BrokerID, kv KeyValue) (Broker, error) {
	b := Broker{
		ID: id, Rack: v.Rack, HTTP: v.HTTP, Epoch: protocol.BrokerEpoch(kv.ModRevision), DirectoryID: v.Directory, PreviousEpoch: v.PreviousEpoch,
		process: v.Process, lease: kv.Lease, lostSince: v.LostSince,
	}
	for _, e := range v.Endpoints {
		b.Endpoints = append(b.Endpoints, Endpoint(e))
	}
	for _, l := range v.Lost {
		topic, err := parseTopicID(l.Topic)
		if err != nil {
			return b, fmt.Errorf("key %s: lost: %w", kv.Key, err)
		}
		for _, index := range l.Partitions {
			b.Lost = append(b.Lost, protocol.TopicPartition{Topic: topic, Index: index})
		}
	}
	return b, nil
}

// value is the topic's key: how its partitions were made, and not how they stand.
func (t *Topic) value() topicValue {
	return topicValue{Name: t.Name, ID: t.ID.String(), Replicas: t.made.replicas, Joined: t.made.joined, Configs: t.Configs}
}

// topic makes a topic whose partitions are as they were made.
func (v *topicValue) topic(modRevision int64) (*Topic, error) {
	id, err := parseTopicID(v.ID)
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", v.Name, err)
	}
	t := &Topic{
		Name:        v.Name,
		ID:          id,
		Configs:     v.Configs,
		Internal:    isInternal(v.Name),
		made:        assignment{replicas: v.Replicas, joined: v.Joined},
		modRevision: modRevision,
	}
	t.Partitions = t.made.partitions()
	if t.Configs == nil {
		t.Configs = map[string]string{}
	}
	return t, nil
}

// partitions are led by the first replica, with all in sync.
func (a assignment) partitions() []Partition {
	partitions := make([]Partition, len(a.replicas))
	for i := range partitions {
		partitions[i] = a.partition(i)
	}
	return partitions
}

// partition is one as it was made.
func (a assignment) partition(i int) Partition {
	var joined []protocol.BrokerEpoch
	if i < len(a.joined) {
		joined = a.joined[i]
	}
	p := Partition{Index: int32(i)}
	p.Replicas, p.ISR = a.replicas[i], membersOf(a.replicas[i], joined)
	p.Leader = p.preferred()
	return p
}

// membersOf puts brokers and the epochs in which they joined together. An epoch
// that is missing is not known.
func membersOf(ids []protocol.BrokerID, joined []protocol.BrokerEpoch) protocol.Members {
	members := make(protocol.Members, len(ids))
	for i, id := range ids {
		members[i].ID = id
		if len(joined) == len(ids) {
			members[i].BrokerEpoch = joined[i]
		}
	}
	return members
}

func (p *Partition) value() partitionValue {
	v := partitionValue{
		Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, ISR: p.ISR.IDs(), PartitionEpoch: p.PartitionEpoch,
		Adding: p.Adding, Removing: p.Removing,
	}
	for _, m := range p.ISR {
		v.Joined = append(v.Joined, m.BrokerEpoch)
	}
	if p.reassigned {
		v.Replicas = p.Replicas
	}
	return v
}

// with is the partition in another state.
func (p Partition) with(v partitionValue, stateRevision int64) Partition {
	p.Leader, p.LeaderEpoch, p.PartitionEpoch = v.Leader, v.LeaderEpoch, v.PartitionEpoch
	p.ISR, p.Adding, p.Removing = membersOf(v.ISR, v.Joined), v.Adding, v.Removing
	if len(v.Replicas) > 0 {
		p.Replicas, p.reassigned = v.Replicas, true
	}
	p.stateRevision = stateRevision
	return p
}
