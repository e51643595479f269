package coordination

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol/record"
)

const (
	// loadsMax bounds the partitions that are loaded side by side.
	loadsMax = 4
	// tasksMax bounds what clients have waiting for the loop. What is beyond is
	// refused, and asked for again.
	tasksMax = 1 << 16
)

// Options make a runtime. All but the last two must be given.
type Options[S Machine] struct {
	Name       string // of what is coordinated, for the log: "consumer groups"
	Partitions Partitions
	New        func() S // makes a machine that has folded nothing
	Limits     record.Limits
	Logger     *slog.Logger
	// CommitTimeout is how long a reply waits for the commit of what it rests on.
	// After it, nobody knows yet, and the client is told to ask again.
	CommitTimeout time.Duration
	// Followed is called in the loop after the shards have followed a change of
	// Partitions, and once at the start; nil: nothing.
	Followed func()
	// NowMs is the time of day, which must not go back; nil: the wall clock's at
	// the start, and steady since.
	NowMs func() int64
}

// Runtime hosts a machine S for each partition of one topic that this broker
// leads.
//
//	Do, Serve ─► mailbox ─► loop: command ─► writes ─► partition ─► committed ─► mailbox ─► replies
//
// One goroutine, Run, owns the shards and all that is in them. Clients and
// partitions hand it tasks.
type Runtime[S Machine] struct {
	o    Options[S]
	wake notify.Signal
	mail struct {
		sync.Mutex
		tasks   []func()
		clients int // of them, which Do has brought
		closed  bool
	}

	// Owned by Run.
	ctx    context.Context
	shards map[int32]*Shard[S]
	ending map[int32]*Shard[S] // dropped, with writes under way whose leadership goes on
	calls  CallID              // the last that was given out
	spare  []func()            // the mailbox's other slice
	loads  sync.WaitGroup
	slots  chan struct{} // one for each load under way
}

// New makes a runtime. Run runs it; what is asked before waits.
func New[S Machine](o Options[S]) *Runtime[S] {
	if o.NowMs == nil {
		o.NowMs = steadyClock()
	}
	return &Runtime[S]{
		o: o, wake: notify.New(), shards: make(map[int32]*Shard[S]), ending: make(map[int32]*Shard[S]),
		slots: make(chan struct{}, loadsMax),
	}
}

// steadyClock is the wall clock's time now, and steady since, whatever is done to
// the wall clock.
func steadyClock() func() int64 {
	began := time.Now()
	return func() int64 { return began.UnixMilli() + time.Since(began).Milliseconds() }
}

// NowMs is the time that the machines go by.
func (r *Runtime[S]) NowMs() int64 { return r.o.NowMs() }

// Do has f run in the loop. The error says that it will not be: the broker stops,
// or the mailbox is full.
func (r *Runtime[S]) Do(f func()) error {
	if !r.put(f, 1) {
		return kerr.CoordinatorNotAvailable
	}
	return nil
}

// post is Do for what the runtime itself has begun, which bounds it: it is not
// refused before the end.
func (r *Runtime[S]) post(f func()) bool { return r.put(f, 0) }

// put lays a task into the mailbox. clients is how many of tasksMax it takes.
func (r *Runtime[S]) put(f func(), clients int) bool {
	r.mail.Lock()
	if r.mail.closed || clients > 0 && r.mail.clients >= tasksMax {
		r.mail.Unlock()
		return false
	}
	r.mail.tasks = append(r.mail.tasks, f)
	r.mail.clients += clients
	r.mail.Unlock()
	r.wake.Notify()
	return true
}

// Serve has f run in the loop with the active shard of a partition, or with the
// reason why there is none here. While the shard is loaded, f waits for a moment.
// If the loop takes nothing, f is called at once.
func (r *Runtime[S]) Serve(index int32, f func(*Shard[S], error)) {
	if err := r.Do(func() { r.At(index, f) }); err != nil {
		f(nil, err)
	}
}

// At is Serve, called in the loop.
func (r *Runtime[S]) At(index int32, f func(*Shard[S], error)) {
	sh, err := r.shard(index)
	if err != nil && sh != nil && sh.loadUntil > 0 {
		sh.whenLoaded(func(err error) { f(sh, err) })
		return
	}
	f(sh, err)
}

// Each calls f for every shard, in the loop, with the reason if it is not active.
func (r *Runtime[S]) Each(f func(*Shard[S], error)) {
	for _, sh := range r.shards {
		f(sh, sh.inactive())
	}
}

// Run is the loop. It ends with ctx, when everybody has been answered.
func (r *Runtime[S]) Run(ctx context.Context) error {
	r.ctx = ctx
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	changed := r.o.Partitions.Changed()
	r.follow()
	for {
		select {
		case <-ctx.Done():
			r.stop()
			return nil
		case <-changed:
		case <-r.wake:
		case <-alarm.C:
		}
		select {
		case <-changed: // what a client has changed holds for what it asks next
			changed = r.o.Partitions.Changed()
			r.follow()
		default:
		}
		r.work()
		r.tick()
		r.arm(alarm)
	}
}

// work does the tasks that wait.
func (r *Runtime[S]) work() {
	r.mail.Lock()
	tasks := r.mail.tasks
	r.mail.tasks, r.mail.clients = r.spare[:0], 0
	r.mail.Unlock()
	for _, task := range tasks {
		task()
	}
	clear(tasks)
	r.spare = tasks
}

// tick does what is due. It comes behind the tasks: what arrived while the
// process stood still counts.
func (r *Runtime[S]) tick() {
	now := r.NowMs()
	for _, sh := range r.shards {
		if due, ok := sh.deadline(); ok && due <= now {
			sh.tick(now)
		}
	}
}

// arm sets the alarm for the first deadline of all shards.
func (r *Runtime[S]) arm(alarm *time.Timer) {
	wait := time.Hour
	now := r.NowMs()
	for _, sh := range r.shards {
		if due, ok := sh.deadline(); ok {
			wait = min(wait, time.Duration(max(0, due-now))*time.Millisecond)
		}
	}
	alarm.Reset(wait)
}

// stop answers everybody and takes no more tasks.
func (r *Runtime[S]) stop() {
	r.mail.Lock()
	r.mail.closed = true
	tasks := r.mail.tasks
	r.mail.tasks = nil
	r.mail.Unlock()
	for _, sh := range r.shards {
		sh.drop(kerr.CoordinatorNotAvailable)
	}
	for _, task := range tasks {
		task() // finds no shard
	}
	r.loads.Wait()
}

// follow makes the shards those of the partitions that this broker leads.
func (r *Runtime[S]) follow() {
	if r.ctx.Err() != nil {
		return
	}
	led := r.o.Partitions.Led()
	for i, sh := range r.shards {
		if sh.Leadership != led[i] {
			sh.drop(kerr.NotCoordinator)
		}
	}
	for i, sh := range r.ending {
		if sh.Leadership != led[i] {
			delete(r.ending, i) // what it has under way belongs to an epoch that is over
		}
	}
	for i, l := range led {
		if r.shards[i] == nil && r.ending[i] == nil {
			r.shards[i] = newShard(r, i, l)
		}
	}
	if r.o.Followed != nil {
		r.o.Followed()
	}
}

// shard finds the active shard of a partition, or says why there is none here.
func (r *Runtime[S]) shard(index int32) (*Shard[S], error) {
	if r.shards[index] == nil {
		r.follow() // the partition may be quite new
	}
	switch sh := r.shards[index]; {
	case r.ctx.Err() != nil:
		return nil, kerr.CoordinatorNotAvailable
	case sh != nil:
		return sh, sh.inactive()
	case r.ending[index] != nil || r.o.Partitions.Opening(index):
		return nil, kerr.CoordinatorLoadInProgress
	default:
		return nil, kerr.NotCoordinator
	}
}
