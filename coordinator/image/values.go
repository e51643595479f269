package image

import (
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// Value is the broker's key.
func (b *Broker) Value() store.BrokerValue {
	v := store.BrokerValue{Rack: b.Rack, HTTP: b.HTTP, Directory: b.DirectoryID, Process: b.Process,
		PreviousEpoch: b.PreviousEpoch, LostSince: b.LostSince}
	for _, e := range b.Endpoints {
		v.Endpoints = append(v.Endpoints, store.EndpointValue(e))
	}
	at := map[protocol.TopicID]int{}
	for _, id := range b.Lost {
		i, ok := at[id.Topic]
		if !ok {
			i = len(v.Lost)
			at[id.Topic] = i
			v.Lost = append(v.Lost, store.LostValue{Topic: id.Topic.String()})
		}
		v.Lost[i].Partitions = append(v.Lost[i].Partitions, id.Index)
	}
	return v
}

// brokerOf makes a broker of its key.
func brokerOf(v *store.BrokerValue, id protocol.BrokerID, kv store.KeyValue) (Broker, error) {
	b := Broker{
		ID: id, Rack: v.Rack, HTTP: v.HTTP, Epoch: protocol.BrokerEpoch(kv.ModRevision), DirectoryID: v.Directory,
		PreviousEpoch: v.PreviousEpoch,
		Process:       v.Process, Lease: kv.Lease, LostSince: v.LostSince,
	}
	for _, e := range v.Endpoints {
		b.Endpoints = append(b.Endpoints, Endpoint(e))
	}
	for _, l := range v.Lost {
		topic, err := protocol.ParseTopicID(l.Topic)
		if err != nil {
			return b, fmt.Errorf("key %s: lost: %w", kv.Key, err)
		}
		for _, index := range l.Partitions {
			b.Lost = append(b.Lost, protocol.TopicPartition{Topic: topic, Index: index})
		}
	}
	return b, nil
}

// Value is the topic's key: how its partitions were made, and not how they stand.
func (t *Topic) Value() store.TopicValue {
	return store.TopicValue{Name: t.Name, ID: t.ID.String(), Replicas: t.Made.Replicas, Joined: t.Made.Joined,
		Configs: t.Configs}
}

// topicOf makes a topic whose partitions are as they were made.
func topicOf(v *store.TopicValue, revision int64) (*Topic, error) {
	id, err := protocol.ParseTopicID(v.ID)
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", v.Name, err)
	}
	t := &Topic{
		Name:     v.Name,
		ID:       id,
		Configs:  v.Configs,
		Internal: IsInternal(v.Name),
		Made:     Assignment{Replicas: v.Replicas, Joined: v.Joined},
		Revision: revision,
	}
	t.Partitions = t.Made.Partitions()
	if t.Configs == nil {
		t.Configs = map[string]string{}
	}
	return t, nil
}

// Partitions are led by the first replica, with all in sync.
func (a Assignment) Partitions() []Partition {
	partitions := make([]Partition, len(a.Replicas))
	for i := range partitions {
		partitions[i] = a.partition(i)
	}
	return partitions
}

// Plus is the assignment with more partitions behind it.
func (a Assignment) Plus(more Assignment) Assignment {
	joined := make([][]protocol.BrokerEpoch, len(a.Replicas)) // where an older layout has none, it is not known
	for i, r := range a.Replicas {
		joined[i] = make([]protocol.BrokerEpoch, len(r))
		if i < len(a.Joined) && len(a.Joined[i]) == len(r) {
			joined[i] = a.Joined[i]
		}
	}
	return Assignment{Replicas: slices.Concat(a.Replicas, more.Replicas), Joined: slices.Concat(joined, more.Joined)}
}

// ACLValue is the key of an ACL.
func ACLValue(r acl.Rule) store.ACLValue {
	return store.ACLValue{
		Type: int8(r.Type), Pattern: int8(r.Pattern), Name: r.Name,
		Principal: r.Principal, Host: r.Host, Operation: int8(r.Operation), Permission: int8(r.Permission),
	}
}

func ruleOf(v *store.ACLValue) acl.Rule {
	return acl.Rule{
		Resource:  acl.Resource{Type: acl.ResourceType(v.Type), Pattern: acl.Pattern(v.Pattern), Name: v.Name},
		Principal: v.Principal, Host: v.Host, Operation: acl.Operation(v.Operation), Permission: acl.Permission(v.Permission),
	}
}

// partition is one as it was made.
func (a Assignment) partition(i int) Partition {
	var joined []protocol.BrokerEpoch
	if i < len(a.Joined) {
		joined = a.Joined[i]
	}
	p := Partition{Index: int32(i)}
	p.Replicas, p.ISR = a.Replicas[i], membersOf(a.Replicas[i], joined)
	p.Leader = p.Preferred()
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

// Value is the key of the partition's state.
func (p *Partition) Value() store.PartitionValue {
	v := store.PartitionValue{
		Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, ISR: p.ISR.IDs(), PartitionEpoch: p.PartitionEpoch,
		Adding: p.Adding, Removing: p.Removing,
	}
	for _, m := range p.ISR {
		v.Joined = append(v.Joined, m.BrokerEpoch)
	}
	if p.Reassigned {
		v.Replicas = p.Replicas
	}
	return v
}

// with is the partition in another state.
func (p Partition) with(v store.PartitionValue, revision int64) Partition {
	p.Leader, p.LeaderEpoch, p.PartitionEpoch = v.Leader, v.LeaderEpoch, v.PartitionEpoch
	p.ISR, p.Adding, p.Removing = membersOf(v.ISR, v.Joined), v.Adding, v.Removing
	if len(v.Replicas) > 0 {
		p.Replicas, p.Reassigned = v.Replicas, true
	}
	p.Revision = revision
	return p
}
