package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/protocol"
)

// fetchHints is the first version whose clients go to the leader that an error
// names (KIP-951).
const fetchHints = 16

// hint adds to each error about leadership who leads, and where.
func (f *fetched) hint(v view) {
	if f.Version < fetchHints {
		return
	}
	for i := range f.Parts {
		part, topic := &f.Parts[i], f.seen[i].topic
		if part.Code != kerr.NotLeaderForPartition.Code && part.Code != kerr.FencedLeaderEpoch.Code || topic == nil {
			continue
		}
		hint, at, ok := v.leaderOf(protocol.TopicPartition{Topic: topic.ID, Index: part.Index})
		if !ok {
			continue
		}
		part.Leader = &hint
		if !slices.ContainsFunc(f.Leaders, func(n fetching.Node) bool { return n.ID == at.id }) {
			f.Leaders = append(f.Leaders, fetching.Node{ID: at.id, Host: at.host, Port: at.port, Rack: at.rack})
		}
	}
}

// leaderOf tells who leads, and where that can be reached.
func (v view) leaderOf(id protocol.TopicPartition) (hint fetching.LeaderHint, at node, ok bool) {
	t, ok := v.TopicByID(id.Topic)
	if !ok || int(id.Index) >= len(t.Partitions) {
		return hint, at, false
	}
	p := &t.Partitions[id.Index]
	b, ok := v.Broker(p.Leader)
	if !ok || v.steppedAside(id.Topic, id.Index) {
		return hint, at, false
	}
	e, ok := v.endpoint(&b)
	at = node{id: int32(b.ID), host: e.Host, port: e.Port}
	if b.Rack != "" {
		at.rack = &b.Rack
	}
	return fetching.LeaderHint{Leader: p.Leader, Epoch: p.LeaderEpoch}, at, ok
}
