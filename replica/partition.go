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
)

// Settings are what a partition takes from its topic. The zero value of a field
// is not a default: the caller fills all.
type Settings struct {
	Log             segment.Config
	LogAppendTime   bool
	FlushMessages   int64 // offsets that may be unsynced behind an answer; 1 syncs every group
	FlushMs         int64
	LockRetentionMs int64 // -1 keeps all
	LockIDRetention int64 // milliseconds
	ProducerMs      int64 // how long a silent producer is remembered
}

// Options say what to open.
type Options struct {
	FS       vfs.FS
	Dir      string
	ID       protocol.TopicPartition
	Base     *conflict.Base
	Budget   *conflict.Budget
	Epoch    protocol.LeaderEpoch
	Settings Settings
	Limits   record.Limits
	NowMs    func() int64
	Logger   *slog.Logger
	Synced   func(seconds float64) // told of each sync that the log makes; may be nil
}

// Partition is one broker's copy of one partition.
//
//	Propose ─► mailbox ─► loop: judge each ─► one write ─► one sync ─► high watermark ─► Done
//
// The loop is a goroutine that lives while the mailbox holds anything: an idle
// partition costs none. Everything that arrives during a write and sync is the
// next group, so the number of syncs falls as the load rises.
//
// A group is judged when the previous one is on disk. Judging ahead while a sync
// runs would gain a few microseconds of a hundred, for a second goroutine and an
// undo.
type Partition struct {
	opts Options
	log  *segment.Log

	mail struct {
		sync.Mutex
		proposals []*Proposal
		tasks     []func()
		running   bool // a loop goroutine exists
		closed    bool
	}
	loops sync.WaitGroup // the loop and the base writes that it starts

	// Owned by the loop.
	settings  Settings
	producers *Producers
	locks     *conflict.Coordinator
	failed    error
	batches   []record.Batch  // scratch: what the group appends
	waiting   []*Proposal     // answers above the high watermark
	spare     []*Proposal     // the mailbox's other slice
	unsynced  int64           // offsets appended since the last sync; 0: all is on disk
	saved     protocol.Offset // end at the last producer checkpoint
	syncedMs  int64           // when housekeeping last synced
	lockedAt  protocol.Offset // up to where the lock base has folded, at the last checkpoint
	flushing  bool            // a base write is under way
	flushed   chan error      // its result

	highWatermark atomic.Int64
	broken        atomic.Bool   // mirrors failed, for readers
	refused       atomic.Uint64 // lock requests refused
	watchers      watchers
}

// Propose hands q to the loop. q.Done is called once, from the loop.
func (p *Partition) Propose(q *Proposal) {
	p.mail.Lock()
	if p.mail.closed {
		p.mail.Unlock()
		q.Result = Result{Base: -1, LogStart: -1, AppendTimeMs: -1, Err: ErrNotLeader}
		q.Done.Completed(q)
		return
	}
	p.mail.proposals = append(p.mail.proposals, q)
	p.wakeLoop()
}

// do runs f in the loop and waits for it. It reports false when the partition
// is closed and f was not run.
func (p *Partition) do(f func()) bool {
	done := make(chan struct{})
	if !p.post(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// post has f run in the loop, unless the partition is closed.
func (p *Partition) post(f func()) bool {
	p.mail.Lock()
	if p.mail.closed {
		p.mail.Unlock()
		return false
	}
	p.mail.tasks = append(p.mail.tasks, f)
	p.wakeLoop()
	return true
}

// wakeLoop starts the loop if none runs, and releases the mailbox.
func (p *Partition) wakeLoop() {
	start := !p.mail.running
	if start {
		p.mail.running = true
		p.loops.Add(1)
	}
	p.mail.Unlock()
	if start {
		go p.loop()
	}
}

func (p *Partition) loop() {
	defer p.loops.Done()
	for {
		p.mail.Lock()
		group, tasks := p.mail.proposals, p.mail.tasks
		if len(group) == 0 && len(tasks) == 0 {
			p.mail.running = false
			p.mail.Unlock()
			return
		}
		p.mail.proposals, p.mail.tasks = p.spare[:0], nil
		p.mail.Unlock()
		p.append(group)
		for _, task := range tasks {
			task()
		}
		clear(group)
		p.spare = group
	}
}

// HighWatermark is the offset below which records are committed and may be read.
func (p *Partition) HighWatermark() protocol.Offset {
	return protocol.Offset(p.highWatermark.Load())
}

// Start is the log start offset.
func (p *Partition) Start() protocol.Offset { return p.log.Start() }

// End is the log end offset.
func (p *Partition) End() protocol.Offset { return p.log.End() }

// Log gives readers the log. What they read they bound by the high watermark.
func (p *Partition) Log() *segment.Log { return p.log }

// Epoch is the leader epoch that this replica writes with.
func (p *Partition) Epoch() protocol.LeaderEpoch { return p.opts.Epoch }

// ID names the partition.
func (p *Partition) ID() protocol.TopicPartition { return p.opts.ID }

// Failed reports whether the partition's disk has failed.
func (p *Partition) Failed() bool { return p.broken.Load() }
