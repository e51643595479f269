package replica

import "github.com/lockstep-log/lockstep/protocol"

// Role is what the replica is at present.
func (c *Core) Role() Role { return c.role }

// Err is why the replica is offline, or nil.
func (c *Core) Err() error { return c.err }

// Leader is the broker that leads, or NoBroker.
func (c *Core) Leader() protocol.BrokerID { return c.partition.Leader }

// Epoch is the newest leader epoch that is known; -1 before any.
func (c *Core) Epoch() protocol.LeaderEpoch { return c.partition.LeaderEpoch }

// protocol.PartitionState is the newest state of the metadata that is known. It is not to be changed.
func (c *Core) PartitionState() protocol.PartitionState { return c.partition }

// HighWatermark is the offset below which all is committed and may be read,
// from the leader as from a follower (KIP-392).
func (c *Core) HighWatermark() protocol.Offset { return c.highWatermark }

// SyncedEnd is the offset below which all is on this disk.
func (c *Core) SyncedEnd() protocol.Offset { return c.synced }

// EpochStart is the log end at which this broker began to lead; None when it does not.
func (c *Core) EpochStart() protocol.Offset {
	if c.role != RoleLeader {
		return protocol.None
	}
	return c.leading.start
}

// Settled reports whether this broker leads and knows all that earlier leaders
// committed: only then may it judge lock requests, or say where the log ends.
func (c *Core) Settled() bool {
	return c.role == RoleLeader && c.highWatermark >= c.leading.start
}

// CommittedEnd is the answer to ListOffsets for the latest offset (KIP-207).
func (c *Core) CommittedEnd() (protocol.Offset, error) {
	switch {
	case c.role != RoleLeader:
		return protocol.None, c.notLeader()
	case !c.Settled():
		return protocol.None, ErrOffsetNotAvailable
	}
	return c.highWatermark, nil
}

// MayAppend reports why nothing may be appended, or nil. acks=all needs
// min.insync.replicas; without them it could only wait.
func (c *Core) MayAppend(acks Acks) error {
	switch {
	case c.role != RoleLeader:
		return c.notLeader()
	case acks == AcksAll && len(c.partition.ISR) < c.minInsync():
		return ErrNotEnoughReplicas
	}
	return nil
}

func (c *Core) notLeader() error {
	if c.role == RoleOffline {
		return ErrStorage
	}
	return ErrNotLeader
}

// minInsync is what can be asked for with so many replicas (KIP-966).
func (c *Core) minInsync() int { return min(c.o.MinInsync, max(len(c.partition.Replicas), 1)) }

// SetMinInsync changes min.insync.replicas. What it lets be committed is
// committed with the next sync or fetch.
func (c *Core) SetMinInsync(n int) { c.o.MinInsync = max(n, 1) }

// FollowerState is how far one follower has come, as its leader sees it.
type FollowerState struct {
	protocol.Member
	Synced     protocol.Offset // None: not heard of in this epoch
	CaughtUpMs int64           // when it last had all that the leader had
	InSync     bool
}

// Followers lists a leader's followers, in the order of the replicas.
func (c *Core) Followers() []FollowerState {
	var all []FollowerState
	for i := range c.leading.followers {
		f := &c.leading.followers[i]
		all = append(all, FollowerState{f.Member, f.synced, f.caughtUpMs, c.partition.InSync(f.ID)})
	}
	return all
}
