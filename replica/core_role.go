package replica

import (
	"errors"
	"slices"

	"github.com/lockstep-log/lockstep/internal/invariant"
	"github.com/lockstep-log/lockstep/protocol"
)

// Errors of the replication protocol, beside ErrNotLeader and ErrStorage.
var (
	// ErrFencedEpoch: the request is of a leader epoch that is over.
	ErrFencedEpoch = errors.New("the leader epoch is over")
	// ErrUnknownEpoch: the request is of a leader epoch that this broker has not heard of yet.
	ErrUnknownEpoch = errors.New("the leader epoch is not known here yet")
	// ErrNotReplica: who fetches holds no replica of the partition, or does so in an earlier broker epoch than is known.
	ErrNotReplica = errors.New("the broker that fetches holds no replica of the partition")
	// ErrOffsetNotAvailable: the leader is new and does not know yet what is committed (KIP-207).
	ErrOffsetNotAvailable = errors.New("the new leader does not know yet what is committed")
	// ErrNotEnoughReplicas: fewer replicas are in sync than min.insync.replicas.
	ErrNotEnoughReplicas = errors.New("fewer replicas are in sync than min.insync.replicas")
	// ErrCommittedLost: the leader's log lacks what an earlier one said was committed.
	ErrCommittedLost = errors.New("the leader's log lacks committed records")
)

// Role is what a replica is at present.
type Role uint8

// The roles.
const (
	// RoleFollower: another broker leads, or none.
	RoleFollower Role = iota
	// RoleLeader: this broker leads, in its present broker epoch.
	RoleLeader
	// RoleOffline: the replica has failed and will serve no more in this broker epoch.
	RoleOffline
)

// String is the role in one word.
func (r Role) String() string { return [...]string{"follower", "leader", "offline"}[r] }

// History is what a core asks of the partition's log; segment.Log is one.
type History interface {
	Start() protocol.Offset
	End() protocol.Offset
	LatestEpoch() protocol.LeaderEpoch
	EpochEnd(protocol.LeaderEpoch) (protocol.LeaderEpoch, protocol.Offset)
}

// CoreOptions are what a Core is made with.
type CoreOptions struct {
	Self protocol.Member // this broker, in its present broker epoch
	Log  History         // recovered and synced
	// HighWatermark is what is known to be committed; the log's start where nothing is.
	HighWatermark protocol.Offset
	// MinInsync is min.insync.replicas. Default 1.
	MinInsync int
	// LagMaxMs is replica.lag.time.max.ms. Default 30,000.
	LagMaxMs int64
	// FetchTimeoutMs is how long an answer to a fetch is waited for. Default 5,000.
	FetchTimeoutMs int64
	// RetryMs is how long the core waits after a refusal before it asks again. Default 100.
	RetryMs int64
}

func (o CoreOptions) withDefaults() CoreOptions {
	for _, d := range [...]struct {
		field *int64
		value int64
	}{{&o.LagMaxMs, 30_000}, {&o.FetchTimeoutMs, 5_000}, {&o.RetryMs, 100}} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	o.MinInsync = max(o.MinInsync, 1)
	return o
}

// Core is the rules of replication for one replica of one partition: who may
// write, what is committed, what must be cut off. It holds no bytes and does
// nothing itself: it is told what has happened and asks for what is to be done.
//
//	       ApplyMetadata: another leads, or none
//	        ┌───────────────────────────────────┐
//	        ▼                                   │
//	   ┌──────────┐  ApplyMetadata: it leads ┌──────┐
//	──►│ follower │─────────────────────────►│leader│
//	   └────┬─────┘  in this broker epoch    └──┬───┘
//	        │ Failed      ┌───────┐      Failed │
//	        └────────────►│offline│◄────────────┘
//	                      └───────┘
//
// The high watermark is the least synced end over the in-sync replicas. A
// follower says by the offset of its fetch what it has synced, never what it
// has only written; so a record below the high watermark is on the disk of
// every replica that an election may choose.
//
// Everything that passes between brokers carries the leader epoch and is
// refused in any other. A broker leads only a leader epoch that was given to
// it in its present broker epoch: what it had written before and not synced is
// gone, and must not be written again, otherwise, in the same leader epoch.
//
// It is a plain value with one owner, the partition's loop: no goroutine, lock,
// clock or I/O. Times are milliseconds of any clock that does not go backwards.
//
// Invariants:
//
//	log start <= high watermark <= log end; the high watermark never sinks
//	synced end <= log end
//	a leader counts every member of the ISR that the metadata may show
type Core struct {
	o         CoreOptions
	role      Role
	known     bool                    // partition is set
	partition protocol.PartitionState // the newest that is known
	err       error                   // why the replica is offline

	synced        protocol.Offset // all below is on this disk
	highWatermark protocol.Offset

	leading   leading
	following following
	resignMs  int64 // offline: when to resign again

	effects []CoreEffect
}

// NewCore returns a follower that knows of no leader yet.
func NewCore(o CoreOptions) *Core {
	o = o.withDefaults()
	start, end := o.Log.Start(), o.Log.End()
	return &Core{o: o, synced: end, highWatermark: min(max(o.HighWatermark, start), end),
		partition: protocol.PartitionState{Leader: protocol.NoBroker, LeaderEpoch: -1}}
}

// ApplyMetadata takes in what the metadata shows. What is older than what is known is
// ignored: a watch may lag behind an answer.
func (c *Core) ApplyMetadata(s protocol.PartitionState, nowMs int64) {
	if c.known && s.PartitionEpoch <= c.partition.PartitionEpoch {
		return
	}
	before := c.partition
	c.known, c.partition = true, s
	// Offline is for good, but the metadata may still list this replica.
	if c.role == RoleOffline {
		c.resign(nowMs)
		return
	}
	if s.LeaderEpoch == before.LeaderEpoch && c.role == c.roleIn(&s) {
		c.reconcile(nowMs)
		return
	}
	// A new epoch, even of the same leader, starts from nothing: what followers
	// acknowledged in the last one may be cut off since.
	c.role = c.roleIn(&s)
	c.leading, c.following = leading{}, following{}
	c.emit(CoreEffect{Kind: CoreRole})
	if c.role == RoleLeader {
		c.becomeLeader(nowMs)
	} else {
		c.fetch(nowMs)
	}
}

// roleIn is leader only where the metadata names this very broker epoch.
func (c *Core) roleIn(s *protocol.PartitionState) Role {
	if s.Leader == c.o.Self.ID && slices.Contains(s.ISR, c.o.Self) {
		return RoleLeader
	}
	return RoleFollower
}

// reconcile is a change within a leader epoch: of the ISR, or of the replicas.
func (c *Core) reconcile(nowMs int64) {
	switch c.role {
	case RoleLeader:
		c.updateFollowers(nowMs)
		c.applyISR(nowMs)
	case RoleFollower:
		c.fetch(nowMs) // it may be a replica only now
	}
}

// Appended says that the log's end has moved.
func (c *Core) Appended(nowMs int64) {
	switch c.role {
	case RoleFollower:
		c.followWatermark()
	case RoleLeader:
		c.leading.appended(c.o.Log.End(), nowMs)
	}
}

// Synced says that all below upTo is on this disk. A driver that syncs beside
// its loop has no sync under way when it truncates.
func (c *Core) Synced(upTo protocol.Offset, nowMs int64) {
	if c.role == RoleOffline {
		return
	}
	invariant.Check(upTo <= c.o.Log.End(), "synced up to %d, and the log ends at %d", upTo, c.o.Log.End())
	c.synced = max(c.synced, upTo)
	switch c.role {
	case RoleLeader:
		c.commit()
	case RoleFollower:
		c.fetch(nowMs)
	}
}

// Truncated says that the log was cut or emptied, as was asked for.
func (c *Core) Truncated(nowMs int64) {
	start, end := c.o.Log.Start(), c.o.Log.End()
	c.synced = end
	c.highWatermark = min(max(c.highWatermark, start), end)
	c.following.truncating = false
	if c.role == RoleFollower {
		c.fetch(nowMs)
	}
}

// Tick lets time pass.
func (c *Core) Tick(nowMs int64) {
	switch c.role {
	case RoleLeader:
		c.reviewISR(nowMs)
	case RoleFollower:
		c.refetch(nowMs)
	case RoleOffline:
		if nowMs >= c.resignMs {
			c.resign(nowMs)
		}
	}
}

// NeedsTick reports whether something waits for a Tick.
func (c *Core) NeedsTick(nowMs int64) bool {
	switch c.role {
	case RoleLeader:
		return c.isrMayChange(nowMs)
	case RoleOffline:
		return c.resignMs > 0
	}
	w := &c.following
	return w.retryMs > nowMs-c.o.RetryMs && !w.waiting && !w.truncating
}

// Failed says that the log can no longer be written or read. It is final.
func (c *Core) Failed(err error, nowMs int64) {
	if c.role == RoleOffline {
		return
	}
	c.role, c.err = RoleOffline, err
	c.leading, c.following = leading{}, following{}
	c.emit(CoreEffect{Kind: CoreRole})
	c.resign(nowMs)
}

// resign asks to be rid of what an offline replica must not be: leader, or in sync.
func (c *Core) resign(nowMs int64) {
	if !c.known || c.partition.Leader != c.o.Self.ID && !slices.Contains(c.partition.ISR, c.o.Self) {
		c.resignMs = 0
		return
	}
	c.resignMs = nowMs + c.o.RetryMs
	c.emit(CoreEffect{Kind: CoreResign})
}
