package coordination

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/replica"
)

const (
	// loadWaitMs is how long requests wait for a shard that loads; after that their
	// clients are told to come again.
	loadWaitMs     = 1000
	loadWaitersMax = 1000
	// A load that fails is tried again after the first pause, which doubles up to the last.
	loadRetryFirstMs = 1000
	loadRetryLastMs  = 60_000
)

// Shard is the machine of one partition in one leadership:
//
//	loading ──► active ──► dropped
//	   │  ▲                   ▲
//	   ▼  │ retry             │
//	 failed ──────────────────┘
//
// While it loads, requests wait a moment; after a load that failed they are
// refused until the next has succeeded: to go on with what could be read would
// forget what was acknowledged. The loop of its runtime owns it.
type Shard[S Machine] struct {
	Leadership
	r       *Runtime[S]
	index   int32
	machine S
	active  bool
	gone    error // why it was dropped; nil: it was not
	failed  error // why it would not load
	cancel  context.CancelFunc

	loadWaiters []func(error)
	loadUntil   int64 // until when they wait; 0: nobody does
	retryAt     int64 // when to load again after a failure; 0: no load has failed
	retryMs     int64 // the pause before that

	proposed, committed, finished int64    // writes, counted: begun, committed, and those with any outcome
	marking                       int      // markers under way
	waiting                       []waiter // for a commit, with a bound on the time
	onCommit                      []waiter // for a commit alone
	parked                        map[CallID]func(response any, err error)
}

// waiter is told when a write is committed, or why it will not be.
type waiter struct {
	write int64
	until int64 // in ms; later, it is told that it is not known yet
	f     func(error)
}

// newShard begins to load a partition.
func newShard[S Machine](r *Runtime[S], index int32, l Leadership) *Shard[S] {
	sh := &Shard[S]{
		r: r, index: index, Leadership: l, parked: make(map[CallID]func(any, error)), loadUntil: r.NowMs() + loadWaitMs,
	}
	sh.beginLoad()
	return sh
}

// Index is the partition's.
func (sh *Shard[S]) Index() int32 { return sh.index }

// Machine is the state, of an active shard.
func (sh *Shard[S]) Machine() S { return sh.machine }

// inactive says why the shard serves nobody, or nil.
func (sh *Shard[S]) inactive() error {
	switch {
	case sh.gone != nil:
		return sh.gone
	case sh.failed != nil:
		return sh.failed
	case !sh.active:
		return kerr.CoordinatorLoadInProgress
	}
	return nil
}

func (sh *Shard[S]) beginLoad() {
	ctx, cancel := context.WithCancel(sh.r.ctx)
	sh.cancel, sh.retryAt = cancel, 0
	sh.r.loads.Go(func() {
		defer cancel()
		machine, err := sh.load(ctx)
		sh.r.post(func() { sh.loaded(machine, err) })
	})
}

// loaded takes the machine into service.
func (sh *Shard[S]) loaded(machine S, err error) {
	if sh.gone != nil {
		return
	}
	if err != nil {
		sh.loadFailed(err)
		return
	}
	sh.machine, sh.active, sh.failed = machine, true, nil
	sh.Apply(machine.Start(sh.r.NowMs()))
	sh.releaseLoadWaiters(nil)
}

// loadFailed has the shard refuse until another load has succeeded. One whose
// leadership is over waits for the metadata to show it; the partition may hear of
// that first, and clients are sent to look elsewhere all the same.
func (sh *Shard[S]) loadFailed(err error) {
	sh.failed = kerr.CoordinatorNotAvailable
	switch {
	case errors.Is(err, errLeadershipOver):
		sh.failed = kerr.NotCoordinator
	case errors.Is(err, context.Canceled), errors.Is(err, errOffline):
	default:
		sh.retryMs = min(max(loadRetryFirstMs, 2*sh.retryMs), loadRetryLastMs)
		sh.retryAt = sh.r.NowMs() + sh.retryMs
		sh.r.o.Logger.Error(sh.r.o.Name+" are not served: their log cannot be read", "partition", sh.index, "error", err)
	}
	sh.releaseLoadWaiters(sh.failed)
}

// releaseLoadWaiters answers what waited for the load. Nobody waits from now on.
func (sh *Shard[S]) releaseLoadWaiters(err error) {
	waiters := sh.loadWaiters
	sh.loadWaiters, sh.loadUntil = nil, 0
	for _, f := range waiters {
		f(err)
	}
}

// whenLoaded runs f when the shard is loaded, or with the reason why not yet.
func (sh *Shard[S]) whenLoaded(f func(error)) {
	if sh.r.NowMs() >= sh.loadUntil || len(sh.loadWaiters) >= loadWaitersMax {
		f(kerr.CoordinatorLoadInProgress)
		return
	}
	sh.loadWaiters = append(sh.loadWaiters, f)
}

// deadline is when to call tick at the latest.
func (sh *Shard[S]) deadline() (due int64, ok bool) {
	switch {
	case sh.retryAt > 0:
		return sh.retryAt, true
	case !sh.active:
		return sh.loadUntil, len(sh.loadWaiters) > 0
	}
	due, ok = sh.machine.NextDeadline()
	if len(sh.waiting) > 0 && (!ok || sh.waiting[0].until < due) {
		return sh.waiting[0].until, true
	}
	return due, ok
}

func (sh *Shard[S]) tick(now int64) {
	switch {
	case sh.retryAt > 0:
		sh.beginLoad()
	case !sh.active:
		sh.releaseLoadWaiters(kerr.CoordinatorLoadInProgress)
	default:
		complete(&sh.waiting, func(w *waiter) bool { return w.until <= now }, kerr.CoordinatorNotAvailable)
		sh.Apply(sh.machine.Tick(now))
	}
}

// drop ends the shard and answers all that waits.
func (sh *Shard[S]) drop(err error) {
	sh.gone, sh.active = err, false
	sh.cancel()
	delete(sh.r.shards, sh.index)
	if sh.finished < sh.proposed || sh.marking > 0 {
		sh.r.ending[sh.index] = sh
	}
	waiting, parked := sh.waiting, sh.parked
	sh.waiting, sh.parked, sh.onCommit = nil, nil, nil
	sh.machine = *new(S)
	sh.releaseLoadWaiters(err)
	for _, w := range waiting {
		w.f(err)
	}
	for _, answer := range parked {
		answer(nil, err)
	}
}

// whyDropped is what clients are told about a failed write: to look for the
// coordinator elsewhere, or to come again.
func whyDropped(err error) error {
	if errors.Is(err, replica.ErrNotLeader) {
		return kerr.NotCoordinator
	}
	return kerr.CoordinatorNotAvailable
}
