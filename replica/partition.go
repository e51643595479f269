package replica

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/segment"
)

var (
	// ErrNotLeader: this broker does not lead the partition, or no longer.
	ErrNotLeader = errors.New("this broker does not lead the partition")
	// ErrStorage: a write or sync of the partition's disk failed; the replica takes no more writes.
	ErrStorage = errors.New("the partition's disk has failed")
	// ErrTimeout: not every in-sync replica had the batch in time. It may be in
	// the log all the same.
	ErrTimeout = errors.New("the in-sync replicas did not take the batch in time")
)

// Settings are what a partition takes from its topic. The zero value of a field
// is not a default: the caller fills all.
type Settings struct {
	Log             segment.Config
	MinInsync       int // min.insync.replicas
	LogAppendTime   bool
	FlushMessages   int64 // offsets that may be unsynced behind an answer; 1 syncs every group
	FlushMs         int64
	LockRetentionMs protocol.Limit
	LockIDRetention protocol.Limit // milliseconds
	ProducerMs      int64          // how long a silent producer is remembered
}

// Options say what to open.
type Options struct {
	FS       vfs.FS
	Dir      string
	ID       protocol.TopicPartition
	Self     protocol.BrokerID
	Host     Host // may be nil for a partition that is only looked at
	Base     *conflict.Base
	Budget   *conflict.Budget
	Settings Settings
	Limits   record.Limits
	// LagMaxMs is replica.lag.time.max.ms; default as in CoreOptions.
	LagMaxMs int64
	NowMs    func() int64 // the time of day
	Logger   *slog.Logger
	Synced   func(seconds float64) // told of each sync that the log makes; may be nil
	// Full reports that nothing may be appended now, since the disk has no room:
	// proposals wait, and what came from a leader is asked for again. nil: never.
	Full func() bool

	moreFolds []Fold // that a test adds to those that there are
}

// Partition is one broker's copy of one partition: a Core, the log and the folds
// that it rules over, and the loop that does what it asks for.
//
//	Propose ─► mailbox ─► loop: judge each ─► one write ─► one sync ─► high watermark ─► Done
//	a follower's fetch ─► mailbox ─► loop: it has synced up to there ──────┘
//	a leader's answer  ─► mailbox ─► loop: check, write, fold, sync ─► next fetch
//
// The loop is a goroutine that lives while the mailbox holds anything: an idle
// partition costs none. Everything that arrives during a write and sync is the
// next group, so the number of syncs falls as the load rises.
//
// A leader with followers syncs beside its loop, so that their fetches are heard
// meanwhile and they sync at the same time as it does. A group is judged when
// the previous one is on disk: judging ahead while a sync runs would gain a few
// microseconds of a hundred, for an undo.
//
// A partition serves nobody until Begin and ApplyMetadata have told it that its broker
// is registered, and what the metadata shows.
type Partition struct {
	opts Options
	log  *segment.Log

	mailbox mailbox
	loops   sync.WaitGroup // the loop, and the syncs and base writes that it starts

	// Owned by the loop.
	m             *Machine
	appendStalled bool        // proposals wait for a file descriptor or for room, until time has passed
	spare         []*Proposal // the mailbox's other slice
	group         Propose     // events that come with every append
	done          Done
	flushed       chan error // the result of the base write that is under way

	state         atomic.Pointer[State]
	highWatermark atomic.Int64
	lastStable    atomic.Int64
	holds         atomic.Int64 // locks that open transactions hold
	transactions  transactionsShown
	round         atomic.Int64
	needsTick     atomic.Bool   // the core waits for time to pass
	failed        atomic.Bool   // the machine has failed
	writeStalled  atomic.Bool   // the log waits for a file descriptor, or for room
	refused       atomic.Uint64 // lock requests refused by the machine
	malformed     atomic.Uint64 // and those that never came to it, see NoteRefusal
	watchers      watchers
}

// State is what the replica is at present.
func (p *Partition) State() *State { return p.state.Load() }

// HighWatermark is the offset below which records are committed and may be read.
func (p *Partition) HighWatermark() protocol.Offset {
	return protocol.Offset(p.highWatermark.Load())
}

// Start is the log start offset.
func (p *Partition) Start() protocol.Offset { return p.log.Start() }

// End is the log end offset.
func (p *Partition) End() protocol.Offset { return p.log.End() }

// Log gives readers the log. What they read they bound by the high watermark,
// unless they are followers.
func (p *Partition) Log() *segment.Log { return p.log }

// Epoch is the newest leader epoch that this replica knows of; -1 before any.
func (p *Partition) Epoch() protocol.LeaderEpoch { return p.State().Epoch }

// Round is what a leader's answer to a follower's fetch carries, see Core.ConfirmLeadership.
func (p *Partition) Round() int64 { return p.round.Load() }

// ID names the partition.
func (p *Partition) ID() protocol.TopicPartition { return p.opts.ID }

// Failed reports whether the partition's disk has failed.
func (p *Partition) Failed() bool { return p.failed.Load() }

// WriteStalled reports whether the log cannot be written to because no file
// descriptor is free, or no room: what is proposed waits, and followers fetch again.
func (p *Partition) WriteStalled() bool { return p.writeStalled.Load() }

// CommittedEnd is the answer to ListOffsets for the latest offset (KIP-207).
func (p *Partition) CommittedEnd() (protocol.Offset, error) {
	switch st := p.State(); {
	case st.Role == RoleOffline:
		return protocol.None, ErrStorage
	case st.Role != RoleLeader, st.SteppedAside:
		return protocol.None, ErrNotLeader
	case !st.Settled:
		return protocol.None, ErrOffsetNotAvailable
	}
	return p.HighWatermark(), nil
}

// EpochEnd answers OffsetForLeaderEpoch, as Core.EpochEnd.
func (p *Partition) EpochEnd(asked protocol.LeaderEpoch) (e protocol.LeaderEpoch, end protocol.Offset, err error) {
	e, end, err = -1, protocol.None, ErrNotLeader
	p.queryInLoop(func() {
		if core := p.m.Core(); core != nil {
			e, end, err = core.EpochEnd(asked)
		}
	})
	return e, end, err
}

// errFound ends a scan.
var errFound = errors.New("found")

// ReadersEpochEnd is EpochEnd for consumers (KIP-320): see PastEmpty.
func (p *Partition) ReadersEpochEnd(asked protocol.LeaderEpoch) (protocol.LeaderEpoch, protocol.Offset, error) {
	e, end, err := p.EpochEnd(asked)
	if err != nil {
		return e, end, err
	}
	end, err = p.PastEmpty(end)
	return e, end, err
}

// PastEmpty is the offset behind the batches without records that begin at one,
// as a refused append or compaction leaves them. A reader that has gone past
// them still calls its position by the epoch of its last record; told where that
// epoch ends, it would take its log for lost.
func (p *Partition) PastEmpty(o protocol.Offset) (protocol.Offset, error) {
	if o < p.Start() {
		return o, nil
	}
	err := p.log.Scan(o, p.HighWatermark(), func(b record.Batch) error {
		if b.Count() > 0 && !b.Control() {
			o = max(o, b.BaseOffset())
			return errFound
		}
		o = max(o, b.NextOffset())
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return o, err
}

// Followers lists a leader's followers; nil when this broker does not lead.
func (p *Partition) Followers() (all []FollowerState) {
	p.queryInLoop(func() {
		if core := p.m.Core(); core != nil {
			all = core.Followers()
		}
	})
	return all
}

// queryInLoop runs f, which must not touch the log, in the loop and waits for it,
// unless the partition is closed.
func (p *Partition) queryInLoop(f func()) bool {
	done := make(chan struct{})
	if !p.enqueueNote(message{do: func() { f(); close(done) }}) {
		return false
	}
	<-done
	return true
}
