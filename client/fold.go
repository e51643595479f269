package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
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
// whoever has waited longest goes next, so that few of their appends are in
// vain (see turns).
type Fold struct {
	c     *Client
	feed  *feed
	apply Apply
	name  string // begins the lock-ids of this fold's appends

	mu struct {
		sync.RWMutex
		applied int64 // all of the partition up to here is in the state
		turns   turns
		err     error         // the fold has ended
		moved   chan struct{} // closed when any of these change
		waiting int           // calls that wait for more to be applied
		inLine  []*update     // that wait for their turn
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

// NewFold begins to read behind basis, which None makes the partition's start.
// It reads with a kgo client of its own, which is made with the options of the
// Client's, less its consumers, and opts.
func NewFold(c *Client, topic string, partition int32, basis int64, apply Apply, opts ...kgo.Opt) (*Fold, error) {
	feed, err := newFeed(c, place{topic, partition}, basis, opts)
	if err != nil {
		return nil, fmt.Errorf("read %s-%d: %w", topic, partition, err)
	}
	f := &Fold{c: c, feed: feed, apply: apply, name: newViewName()}
	f.mu.applied, f.mu.moved = basis, make(chan struct{})
	f.written.offset = None
	feed.start(f.take, f.rest, f.end)
	return f, nil
}

// Close ends the fold and waits for its goroutine. Calls under way and later
// ones return ErrClosed. The Client stays open.
func (f *Fold) Close() { f.feed.close() }

// take applies what was read, and returns from where to read on.
func (f *Fold) take(records []*kgo.Record, next int64) (int64, error) {
	applied, err := f.apply(f.feed.ctx, records, next-1)
	if err != nil {
		return next, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, r := range records {
		f.mu.turns.see(r, now)
	}
	f.mu.applied = applied
	f.announce()
	return applied + 1, nil
}

// end notes that nothing is read any more.
func (f *Fold) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.err = err
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
	begin, err := f.feed.begin(ctx)
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
			f.hurry(1)
			defer f.hurry(-1)
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hurry notes that somebody waits for more to be applied, or does not any more.
func (f *Fold) hurry(calls int) {
	f.mu.Lock()
	f.mu.waiting += calls
	f.mu.Unlock()
	if calls > 0 {
		f.feed.stir()
	}
}

// rest is how long the feed need not read on: all who are here wait for turns
// that are not theirs soon.
func (f *Fold) rest() time.Duration {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mu.waiting > 0 || len(f.mu.inLine) == 0 {
		return 0
	}
	now, d := time.Now(), restMax
	for _, u := range f.mu.inLine {
		d = min(d, f.mu.turns.rest(u.lock, f.name, u.seen, now))
	}
	return d
}
