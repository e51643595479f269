package broker

import (
	"slices"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// hints gathers who leads the partitions that a client looked for in the wrong
// place, and where to reach them (KIP-951): it need not ask for metadata first.
type hints struct {
	view
	nodes []node // those that were named
}

// leader is who leads a partition as far as this broker knows, if the client
// can reach that one.
func (h *hints) leader(t *partitions.Topic, index int32) (leader, epoch int32, ok bool) {
	id, e := h.newest(t, index)
	b, live := h.Broker(id)
	if !live {
		return 0, 0, false
	}
	n, ok := h.node(&b)
	if !ok {
		return 0, 0, false
	}
	if !slices.ContainsFunc(h.nodes, func(o node) bool { return o.id == n.id }) {
		h.nodes = append(h.nodes, n)
	}
	return n.id, int32(e), true
}

// newest is what the image and the partition know: one may be ahead of the other.
func (h *hints) newest(t *partitions.Topic, index int32) (leader protocol.BrokerID, epoch protocol.LeaderEpoch) {
	leader, epoch = protocol.NoBroker, -1
	if t == nil {
		return leader, epoch
	}
	if it, ok := h.TopicByID(t.ID); ok && index >= 0 && int(index) < len(it.Partitions) {
		leader, epoch = it.Partitions[index].Leader, it.Partitions[index].LeaderEpoch
	}
	if p := t.Partition(index); p.IsOpen() {
		if st := p.State(); st.Epoch > epoch && st.Role == replica.RoleFollower {
			leader, epoch = st.Leader, st.Epoch
		}
	}
	return leader, epoch
}
