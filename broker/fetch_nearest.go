package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// fetchFromFollowers is the first version whose clients may read from a
// follower (KIP-392): its clients say where they are, and which epoch they know.
const fetchFromFollowers = 11

// mayRead says why a replica is not read from, or nil. A follower serves up to
// its own high watermark.
func mayRead(st *replica.State, version int16) error {
	switch {
	case st.Role == replica.RoleOffline:
		return replica.ErrStorage
	case st.Role == replica.RoleLeader:
		return nil
	case st.Epoch < 0 || version < fetchFromFollowers:
		return kerr.NotLeaderForPartition
	}
	return nil
}

// preferred is the broker that a consumer should read from instead of this one,
// the leader (KIP-392): one with an in-sync replica in the consumer's rack, when
// this one is in another; or NoBroker.
func (f *clientFetch) preferred(st *replica.State) protocol.BrokerID {
	self := &f.srv.cfg
	if f.version < fetchFromFollowers || f.rack == "" || f.rack == self.Rack || st.Role != replica.RoleLeader {
		return protocol.NoBroker
	}
	im := f.srv.cluster.Image()
	for _, m := range st.ISR {
		if b, live := im.Broker(m.ID); live && !b.Leaving && b.Rack == f.rack && m.ID != self.NodeID {
			return m.ID
		}
	}
	return protocol.NoBroker
}
