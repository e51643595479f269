package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
)

// fetchHints is the first version whose clients go to the leader that an error
// names (KIP-951).
const fetchHints = 16

// hint adds to each error about leadership who leads, and where.
func (f *fetched) hint(v view) {
	if f.version < fetchHints {
		return
	}
	for i := range f.parts {
		part := &f.parts[i]
		if part.code != kerr.NotLeaderForPartition.Code && part.code != kerr.FencedLeaderEpoch.Code || part.topic == nil {
			continue
		}
		hint, at, ok := v.leaderOf(protocol.TopicPartition{Topic: part.topic.id, Index: part.index})
		if !ok {
			continue
		}
		part.leader = &hint
		if !slices.ContainsFunc(f.leaders, func(n node) bool { return n.id == at.id }) {
			f.leaders = append(f.leaders, at)
		}
	}
}

// leaderHint is who leads a partition, and in which epoch.
type leaderHint struct {
	leader protocol.BrokerID
	epoch  protocol.LeaderEpoch
}

// leaderOf tells who leads, and where that can be reached.
func (v view) leaderOf(id protocol.TopicPartition) (hint leaderHint, at node, ok bool) {
	t, ok := v.TopicByID(id.Topic)
	if !ok || int(id.Index) >= len(t.Partitions) {
		return hint, at, false
	}
	p := &t.Partitions[id.Index]
	b, ok := v.Broker(p.Leader)
	if !ok || v.doubts(id.Topic, id.Index) {
		return hint, at, false
	}
	e, ok := v.endpoint(&b)
	at = node{id: int32(b.ID), host: e.Host, port: e.Port}
	if b.Rack != "" {
		at.rack = &b.Rack
	}
	return leaderHint{p.Leader, p.LeaderEpoch}, at, ok
}
