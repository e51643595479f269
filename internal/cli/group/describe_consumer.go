package group

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// describeConsumer describes a group of the consumer protocol (KIP-848), which
// DescribeGroups does not know.
func describeConsumer(ctx context.Context, adm *kadm.Client, name string) (d describedGroup, err error) {
	groups, err := adm.DescribeConsumerGroups(ctx, name)
	if err != nil {
		return d, err
	}
	g, ok := groups[name]
	if !ok || errors.Is(g.Err, kerr.GroupIDNotFound) {
		return d, fmt.Errorf("group %q does not exist", name)
	}
	if g.Err != nil {
		return d, groupError(name, g.Err)
	}
	committed, err := adm.FetchOffsets(ctx, name)
	if err != nil {
		return d, groupError(name, err)
	}
	read := g.AssignedPartitions()
	committed.Each(func(o kadm.OffsetResponse) { read.Add(o.Topic, o.Partition) })
	ends := kadm.ListedOffsets{}
	if len(read) > 0 {
		if ends, err = adm.ListEndOffsets(ctx, read.Topics()...); err != nil {
			return d, err
		}
	}
	d = describedGroup{
		Group: name, State: g.State, Protocol: g.AssignorName, Coordinator: g.Coordinator.NodeID,
		Topics: []groupTopicLag{}, Partitions: []groupPartitionLag{}, Members: []groupMember{},
	}
	holders := d.takeMembers(g.Members)
	for _, t := range read.Sorted() {
		for _, p := range t.Partitions {
			d.takePartition(lagOf(t.Topic, p, committed, ends), holders)
		}
	}
	return d, nil
}

// holder is a partition that a member has.
type holder struct {
	topic     string
	partition int32
}

// takeMembers lists the members, and returns who has which partition.
func (d *describedGroup) takeMembers(members []kadm.ConsumerGroupMember) map[holder]string {
	holders := map[holder]string{}
	for _, m := range members {
		one := groupMember{Member: m.MemberID, Client: m.ClientID, Host: m.ClientHost}
		if m.InstanceID != nil {
			one.Instance = *m.InstanceID
		}
		m.Assignment.Each(func(topic string, partition int32) {
			holders[holder{topic, partition}] = m.MemberID
			one.Partitions++
		})
		d.Members = append(d.Members, one)
	}
	slices.SortFunc(d.Members, func(a, b groupMember) int { return cmp.Compare(a.Member, b.Member) })
	return holders
}

// lagOf is how far a partition is read; -1 for what there is none of. What was
// never committed is behind by all of it, as for groups of the classic protocol.
func lagOf(topic string, partition int32, committed kadm.OffsetResponses, ends kadm.ListedOffsets) groupPartitionLag {
	p := groupPartitionLag{Topic: topic, Partition: partition, Committed: -1, End: -1, Lag: -1}
	if o, ok := committed.Lookup(topic, partition); ok && o.Err == nil {
		p.Committed = o.At
	}
	if e, ok := ends.Lookup(topic, partition); ok && e.Err == nil {
		p.End = e.Offset
		p.Lag = max(0, p.End-max(0, p.Committed))
	}
	return p
}

func (d *describedGroup) takePartition(p groupPartitionLag, holders map[holder]string) {
	p.Member = holders[holder{p.Topic, p.Partition}]
	d.Partitions = append(d.Partitions, p)
	if n := len(d.Topics); n == 0 || d.Topics[n-1].Topic != p.Topic {
		d.Topics = append(d.Topics, groupTopicLag{Topic: p.Topic})
	}
	if p.Lag > 0 {
		d.Topics[len(d.Topics)-1].Lag += p.Lag
		d.Lag += p.Lag
	}
}
