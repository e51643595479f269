package replica

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// Host is what a partition asks of the broker that holds it. All of it is called
// from the partition's loop: no method blocks, or calls the partition back
// before it returns, but by methods that only post to the loop.
type Host interface {
	// Fetch sends f to the leader. Each fetch is answered once by FetchAnswered,
	// with an error if need be; a newer fetch takes the place of the older one.
	Fetch(p *Partition, leader protocol.BrokerID, f Fetch)
	// StopFetch: p follows nobody any more.
	StopFetch(p *Partition)
	// AlterISR asks the metadata for another ISR; the outcome goes to ISRAnswered.
	AlterISR(p *Partition, ch protocol.ISRChange)
	// Resign asks the metadata to do without this replica, which has failed.
	Resign(p *Partition)
	// RoleChanged tells of a new role, or of a role in a new leader epoch.
	RoleChanged(p *Partition, st *State)
}

// State is what a replica is at one moment. It is immutable.
type State struct {
	Role           Role
	Leader         protocol.BrokerID
	Epoch          protocol.LeaderEpoch
	PartitionEpoch int32
	EpochStart     protocol.Offset // the log end at which this broker began to lead; None when it does not
	Replicas       []protocol.BrokerID
	ISR            protocol.Members
	Settled        bool  // it leads, and knows all that earlier leaders committed
	SteppedAside   bool  // it leads as far as it knows, see Partition.StepAside
	Err            error // why it is offline
}

// InSync reports whether a broker is in the ISR, in whatever broker epoch.
func (s *State) InSync(id protocol.BrokerID) bool { return s.ISR.Has(id) }

// unregistered is the state of a replica whose broker is not registered yet.
var unregistered = &State{Leader: protocol.NoBroker, Epoch: -1, EpochStart: protocol.None}

// snapshot is the core's state, or before if nothing has changed.
func (c *Core) snapshot(before *State, steppedAside bool) *State {
	s := &c.partition
	if before.SteppedAside == steppedAside && before.Role == c.role && before.Leader == s.Leader &&
		before.Epoch == s.LeaderEpoch && before.PartitionEpoch == s.PartitionEpoch &&
		before.Settled == c.Settled() && before.Err == c.err && slices.Equal(before.ISR, s.ISR) {
		return before
	}
	return &State{
		Role: c.role, Leader: s.Leader, Epoch: s.LeaderEpoch, PartitionEpoch: s.PartitionEpoch, EpochStart: c.EpochStart(),
		Replicas: s.Replicas, ISR: s.ISR, Settled: c.Settled(), SteppedAside: steppedAside, Err: c.err,
	}
}
