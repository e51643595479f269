package client

import (
	"context"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// View folds one partition into application state S in memory and runs the
// loop of optimistic writers: read the state, decide, append on condition, and
// if somebody was faster, read on and decide again. Any number of goroutines
// may use it; how writers share a hot lock, Fold says.
//
// apply is called for each record, in order, by one goroutine at a time, which may
// be one that calls Update, and never while a function given to Update or Read
// runs. What the view itself has appended it may be given before it is read:
// LeaderEpoch, ProducerID and ProducerEpoch of such a record are -1. If S holds maps or
// slices, functions share them with the view: they may read them until they
// return, and must not change or keep them. A function that blocks holds up
// the view.
type View[S any] struct {
	fold   *Fold
	apply  func(*S, *kgo.Record)
	poison func(r *kgo.Record, reason any) error

	mu struct {
		sync.RWMutex
		state S
		basis int64 // all of the partition up to here is in state
	}
}

// ViewOption changes a default of NewView or NewFold.
type ViewOption func(*viewOptions)

type viewOptions struct {
	basis    int64
	allowCut bool
	poison   func(r *kgo.Record, reason any) error
	kgo      []kgo.Opt
}

func newViewOptions(o []ViewOption) viewOptions {
	opts := viewOptions{basis: None, poison: stopAtPoison}
	for _, opt := range o {
		opt(&opts)
	}
	return opts
}

// From makes init the state after the record at basis, as Read has told them
// together: the view begins behind it. Without it, or with None, the view
// begins at the partition's start.
func From(basis int64) ViewOption { return func(o *viewOptions) { o.basis = basis } }

// AllowCut lets a view that begins without a state begin where the partition's
// log does, though records from before that were removed. Its state then lacks
// them, and decisions on it are admitted all the same: this is for states to
// which only the newest records matter, and never for a ledger. A state that was
// given by From must reach up to where the log starts in any case.
func AllowCut() ViewOption { return func(o *viewOptions) { o.allowCut = true } }

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
// began. A view without a state on a partition that has lost its first records
// ends with ErrLogCut: see AllowCut.
func NewView[S any](c *Client, topic string, partition int32, init S, apply func(*S, *kgo.Record),
	o ...ViewOption) (*View[S], error) {
	opts := newViewOptions(o)
	v := &View[S]{apply: apply, poison: opts.poison}
	v.mu.state, v.mu.basis = init, opts.basis
	fold, err := newFold(c, place{topic, partition}, v.applyRecords, true, opts)
	v.fold = fold
	return v, err
}

func stopAtPoison(r *kgo.Record, reason any) error {
	return fmt.Errorf("apply of the record at offset %d panicked: %v", r.Offset, reason)
}

// Close ends the view and waits for its goroutine. Calls under way and later
// ones return ErrClosed. The Client stays open.
func (v *View[S]) Close() { v.fold.Close() }

// Counts are those of Fold.
func (v *View[S]) Counts() Counts { return v.fold.Counts() }

// applyRecords is the fold's Apply.
func (v *View[S]) applyRecords(_ context.Context, records []*kgo.Record, to int64) (int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range records {
		if err := v.applyOne(r); err != nil {
			return v.mu.basis, err
		}
		v.mu.basis = r.Offset
	}
	v.mu.basis = to
	return to, nil
}

func (v *View[S]) applyOne(r *kgo.Record) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = v.poison(r, reason)
		}
	}()
	v.apply(&v.mu.state, r)
	return nil
}

// Read calls fn with the state and its basis: the offset up to which the
// partition is in the state. What this view has appended is in it. State and
// basis together are a snapshot: From resumes it.
func (v *View[S]) Read(ctx context.Context, fn func(s S, basis int64) error) error {
	if err := v.fold.Await(ctx); err != nil {
		return err
	}
	v.mu.RLock()
	defer v.mu.RUnlock()
	return fn(v.mu.state, v.mu.basis)
}

// Update runs fn on the state and appends what it decided, again and again as
// Fold.Update says. fn sees what this view has appended before. It may be
// called many times, must not call Update or Read of its own view, and must not
// keep s. A panic of fn is the caller's.
func (v *View[S]) Update(ctx context.Context, fn func(tx *Tx, s S) error) (Result, error) {
	return v.fold.Update(ctx, func(_ context.Context, tx *Tx) error {
		v.mu.RLock()
		defer v.mu.RUnlock()
		tx.SetBasis(v.mu.basis)
		return fn(tx, v.mu.state)
	})
}
