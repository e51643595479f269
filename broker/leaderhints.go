package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// leaderHints gathers who leads the partitions that a client looked for in the
// wrong place, and where to reach them (KIP-951): it need not ask for metadata
// first. Produce and Fetch have room for them; ListOffsets has none.
type leaderHints struct {
	view
	nodes []node // those that were named
}

// ledElsewhere reports whether a code sends the client to another broker.
func ledElsewhere(code int16) bool {
	return code == kerr.NotLeaderForPartition.Code || code == kerr.FencedLeaderEpoch.Code
}

// of is who leads a partition as far as this broker knows, if the client can reach
// that one. Where this broker leads and has reason to think that another one does by
// now, nobody knows.
func (h *leaderHints) of(topic protocol.TopicID, index int32) (protocol.BrokerID, protocol.LeaderEpoch, bool) {
	id, epoch := h.newest(topic, index)
	b, live := h.Broker(id)
	if !live || h.steppedAside(topic, index) {
		return 0, 0, false
	}
	n, ok := h.node(&b)
	if !ok {
		return 0, 0, false
	}
	if !slices.ContainsFunc(h.nodes, func(o node) bool { return o.id == n.id }) {
		h.nodes = append(h.nodes, n)
	}
	return id, epoch, true
}

// newest is what the image and the partition know: one may be ahead of the other.
func (h *leaderHints) newest(topic protocol.TopicID, index int32) (leader protocol.BrokerID, epoch protocol.LeaderEpoch) {
	leader, epoch = protocol.NoBroker, -1
	if it, ok := h.TopicByID(topic); ok && index >= 0 && int(index) < len(it.Partitions) {
		leader, epoch = it.Partitions[index].Leader, it.Partitions[index].LeaderEpoch
	}
	if p := h.hosted.TopicByID(topic).Partition(index); p.IsOpen() {
		if st := p.State(); st.Epoch > epoch && st.Role == replica.RoleFollower {
			leader, epoch = st.Leader, st.Epoch
		}
	}
	return leader, epoch
}
