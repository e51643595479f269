package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// Fold drives a state that is kept elsewhere: View keeps one in memory, package
// sqlview in a database. It reads a partition, has what it read applied, and
// runs the loop of optimistic writers on what was applied. Any number of
// goroutines may use it.
//
//	feed ─► apply ─► applied ─► Await, Update ─► Append
//	                    ▲                          │ refused: await what refused it
//	                    └──────────────────────────┘
//
// Writers of one Fold that are refused over one lock take turns. Writers of
// several Folds, in one process or many, find their turn in the log itself:
// whoever has waited longest goes next, for a few appends if it comes back for
// more at once, so that few of them are in vain (see turns).
type Fold struct {
	c          *Client
	feed       *feed
	apply      Apply
	applying   sync.Mutex // held while apply runs, and while what it came to is noted
	appliesOwn bool       // what this fold has appended it applies without having read it

	mu struct {
		sync.RWMutex
		applied int64 // all of the partition up to here is in the state
		epoch   int32 // in which the batch that ends there was written; -1: it is not known
		turns   turns
		err     error         // the fold has ended
		moved   chan struct{} // closed when any of these change, or blind ends
		waiting int           // calls that wait for more to be applied
		inLine  []*update     // that wait for their turn
		blind   bool          // the feed rests, or waits for more than one write
		own     own
	}
	written struct {
		sync.Mutex
		offset int64 // the last that this fold has appended
	}
	queue  queues // of this fold's own writers
	ids    atomic.Uint64
	counts struct{ decisions, commits, refusals atomic.Int64 }
}

// Counts are what Update has come to since the fold began: how often it had a
// decision made, how many appends went in, and how many were refused because
// somebody else was faster.
type Counts struct{ Decisions, Commits, Refusals int64 }

// Counts is for an application's own metrics: Refusals beside Commits says how
// much its writers contend.
func (f *Fold) Counts() Counts {
	return Counts{f.counts.decisions.Load(), f.counts.commits.Load(), f.counts.refusals.Load()}
}

// Apply brings a state to an offset: records are those of the partition behind
// the offset that Apply returned before, and there are no others up to `to`,
// which may be beyond the last of them. It returns the offset up to which the
// state now is. That is mostly `to`; a state that others move as well may be
// ahead of it, and one that was set back behind it: reading goes on from there.
// An error ends the fold. Apply is called by one goroutine; ctx ends with Close.
type Apply func(ctx context.Context, records []*kgo.Record, to int64) (applied int64, err error)

// NewFold begins to read behind basis. None is the partition's start: such a
// fold has no state, and ends with ErrLogCut if the start is gone, unless
// AllowCut is given. It reads with a kgo client of its own, which is made with
// the options of the Client's, less its consumers, and those of FeedWith. From
// and OnPoison are View's.
func NewFold(c *Client, topic string, partition int32, basis int64, apply Apply, o ...ViewOption) (*Fold, error) {
	opts := newViewOptions(o)
	opts.basis = basis
	return newFold(c, place{topic, partition}, apply, false, opts)
}

// newFold with appliesOwn is for an apply that does not block: writers call it
// too.
func newFold(c *Client, at place, apply Apply, appliesOwn bool, o viewOptions) (*Fold, error) {
	feed, err := newFeed(c, at, o.basis, o.kgo)
	if err != nil {
		return nil, fmt.Errorf("read %s-%d: %w", at.topic, at.partition, err)
	}
	feed.allowCut = o.allowCut
	f := &Fold{c: c, feed: feed, apply: apply, appliesOwn: appliesOwn}
	f.mu.applied, f.mu.epoch, f.mu.moved = o.basis, -1, make(chan struct{})
	f.mu.turns.self, f.mu.turns.rng = newViewName(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	f.written.offset = None
	feed.start(f.consume, f.plan, f.end)
	return f, nil
}

// Close ends the fold and waits for its goroutine. Calls under way and later
// ones return ErrClosed. The Client stays open.
func (f *Fold) Close() { f.feed.close() }

// consume applies what was read, and returns from where to read on.
func (f *Fold) consume(batches []record.Batch, next position) (position, error) {
	records, err := f.feed.records(batches)
	if err != nil {
		return next, err
	}
	f.applying.Lock()
	defer f.applying.Unlock()
	applied := f.position()
	if next.offset <= applied.offset {
		return applied, nil // the fold's own, which came sooner
	}
	for len(records) > 0 && records[0].Offset < applied.offset {
		records = records[1:]
	}
	return f.applyUpTo(records, next)
}

// position is the position behind what is applied.
func (f *Fold) position() position {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return position{f.mu.applied + 1, f.mu.epoch}
}

// applyUpTo applies records up to a position and notes how far that went. applying is held.
func (f *Fold) applyUpTo(records []*kgo.Record, next position) (position, error) {
	applied, err := f.apply(f.feed.ctx, withoutGuards(records), next.offset-1)
	if err != nil {
		return next, err
	}
	if applied+1 != next.offset {
		next = position{applied + 1, -1} // others move the state as well
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.turns.see(records, time.Now())
	f.mu.applied, f.mu.epoch = applied, next.epoch
	f.announce()
	return next, nil
}

// end notes that nothing is read any more, and why.
func (f *Fold) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.err == nil {
		f.mu.err = err
	}
	f.announce()
}

func (f *Fold) announce() {
	close(f.mu.moved)
	f.mu.moved = make(chan struct{})
}

// Await waits until all is applied that was committed when the fold began, and
// all that it has appended itself.
func (f *Fold) Await(ctx context.Context) error {
	f.written.Lock()
	written := f.written.offset
	f.written.Unlock()
	return f.caughtUp(ctx, written)
}

// caughtUp waits until the fold has read what there was when it began, and up
// to an offset.
func (f *Fold) caughtUp(ctx context.Context, offset int64) error {
	begin, err := f.feed.awaitBegin(ctx)
	if err != nil {
		return err
	}
	return f.waitFor(ctx, func() bool { return f.mu.applied >= max(offset, begin) })
}

// waitFor waits until a condition on what mu guards holds.
func (f *Fold) waitFor(ctx context.Context, holds func() bool) error {
	for first := true; ; first = false {
		f.mu.RLock()
		err, ok, moved := f.mu.err, holds(), f.mu.moved
		f.mu.RUnlock()
		switch {
		case err != nil:
			return err
		case ok:
			return nil
		case first:
			f.addWaiter(1)
			defer f.addWaiter(-1)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// addWaiter notes that somebody waits for more to be applied, or does not any more.
func (f *Fold) addWaiter(calls int) {
	f.mu.Lock()
	f.mu.waiting += calls
	f.mu.Unlock()
	if calls > 0 {
		f.feed.notify()
	}
}

// plan says how the feed is to read on. It may rest when all who are here wait
// for turns that are not theirs soon, or write without having to read.
func (f *Fold) plan() (reading, position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.reading(time.Now())
	if f.mu.blind && !r.blind() && len(f.mu.inLine) > 0 {
		f.announce() // from here on silence counts
	}
	f.mu.blind = r.blind()
	return r, position{f.mu.applied + 1, f.mu.epoch}
}

func (f *Fold) reading(now time.Time) reading {
	switch {
	case f.mu.waiting > 0:
		return readOn
	case len(f.mu.inLine) == 0:
		return f.mu.own.reading(f.mu.turns.lull(), now)
	}
	r := f.mu.turns.reading(f.mu.inLine[0].lock, f.mu.inLine[0].until, now)
	for _, u := range f.mu.inLine[1:] {
		r = r.sooner(f.mu.turns.reading(u.lock, u.until, now))
	}
	return r
}
