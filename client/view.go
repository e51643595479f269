package client

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// View folds one partition into a state S and runs the loop of optimistic
// writers: read the state, decide, append on condition, and if somebody was
// faster, read on and decide again. Any number of goroutines may use it.
//
// apply is called for each record, in order, by one goroutine at a time, and
// never while a function given to Update or Read runs. If S holds maps or
// slices, functions share them with the view: they may read them until they
// return, and must not change or keep them. A function that blocks holds up
// the view.
//
// Writers of one View that are refused over one lock take turns. Writers of
// several Views, in one process or many, find their turn in the log itself:
// whoever has waited longest goes next, so that few of their appends are in
// vain (see turns).
type View[S any] struct {
	c     *Client
	feed  *feed
	apply func(*S, *kgo.Record)
	opts  viewOptions
	name  string // begins the lock-ids of this view's appends

	mu struct {
		sync.RWMutex
		state   S
		applied int64 // all of the partition up to here is in state
		turns   turns
		err     error         // the view has ended
		moved   chan struct{} // closed when any of these change
	}
	written struct {
		sync.Mutex
		offset int64 // the last that this view has appended
	}
	queue queues // of this view's own writers
	ids   atomic.Uint64
}

// ViewOption changes a default of NewView.
type ViewOption func(*viewOptions)

type viewOptions struct {
	basis  int64
	poison func(r *kgo.Record, reason any) error
	kgo    []kgo.Opt
}

// From makes init the state after the record at basis, as Read has told them
// together: the view begins behind it. Without it, or with None, the view
// begins at the partition's start.
func From(basis int64) ViewOption { return func(o *viewOptions) { o.basis = basis } }

// OnPoison is called when apply panics, with the record and what apply panicked
// with. Returning nil goes on behind the record, with the state as apply has
// left it; an error ends the view, and every later call returns it. Without
// this option the view ends.
func OnPoison(f func(r *kgo.Record, reason any) error) ViewOption {
	return func(o *viewOptions) { o.poison = f }
}

// FeedWith adds options to the kgo client that the view reads with, which is
// made with those of the Client's less its consumers.
func FeedWith(opts ...kgo.Opt) ViewOption { return func(o *viewOptions) { o.kgo = opts } }

// NewView begins to fold a partition. It returns at once; the first call of
// Update or Read waits until the view has read what was committed when it
// began.
func NewView[S any](c *Client, topic string, partition int32, init S, apply func(*S, *kgo.Record), o ...ViewOption) (*View[S], error) {
	opts := viewOptions{basis: None}
	for _, opt := range o {
		opt(&opts)
	}
	v := &View[S]{c: c, apply: apply, opts: opts, name: newViewName()}
	v.mu.state, v.mu.applied, v.mu.moved = init, opts.basis, make(chan struct{})
	v.written.offset = None
	feed, err := newFeed(c, place{topic, partition}, opts)
	if err != nil {
		return nil, fmt.Errorf("read %s-%d: %w", topic, partition, err)
	}
	v.feed = feed
	feed.start(v.take, v.end)
	return v, nil
}

// Close ends the view and waits for its goroutine. Calls under way and later
// ones return ErrClosed. The Client stays open.
func (v *View[S]) Close() { v.feed.close() }

// take applies what was read: records, and the offset that ends what was read,
// which may lie behind a gap.
func (v *View[S]) take(records []*kgo.Record, next int64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	for _, r := range records {
		if err := v.applyOne(r); err != nil {
			return err
		}
		v.mu.applied = r.Offset
		v.mu.turns.see(r, now)
	}
	v.mu.applied = next - 1
	v.announce()
	return nil
}

func (v *View[S]) applyOne(r *kgo.Record) (err error) {
	defer func() {
		reason := recover()
		switch {
		case reason == nil:
		case v.opts.poison != nil:
			err = v.opts.poison(r, reason)
		default:
			err = fmt.Errorf("apply of the record at offset %d panicked: %v", r.Offset, reason)
		}
	}()
	v.apply(&v.mu.state, r)
	return nil
}

// end notes that nothing is read any more.
func (v *View[S]) end(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.err = err
	v.announce()
}

func (v *View[S]) announce() {
	close(v.mu.moved)
	v.mu.moved = make(chan struct{})
}

// Read calls fn with the state and its basis: the offset up to which the
// partition is in the state. What this view has appended is in it. State and
// basis together are a snapshot: From resumes it.
func (v *View[S]) Read(ctx context.Context, fn func(s S, basis int64) error) error {
	v.written.Lock()
	written := v.written.offset
	v.written.Unlock()
	if err := v.caughtUp(ctx, written); err != nil {
		return err
	}
	return v.look(fn)
}

// look calls fn with the state as it is.
func (v *View[S]) look(fn func(s S, basis int64) error) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return fn(v.mu.state, v.mu.applied)
}

// caughtUp waits until the view has read what there was when it began, and up
// to an offset.
func (v *View[S]) caughtUp(ctx context.Context, offset int64) error {
	begin, err := v.feed.begin(ctx)
	if err != nil {
		return err
	}
	return v.waitFor(ctx, func() bool { return v.mu.applied >= max(offset, begin) })
}

// waitFor waits until a condition on what mu guards holds.
func (v *View[S]) waitFor(ctx context.Context, holds func() bool) error {
	for {
		v.mu.RLock()
		err, ok, moved := v.mu.err, holds(), v.mu.moved
		v.mu.RUnlock()
		switch {
		case err != nil:
			return err
		case ok:
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
