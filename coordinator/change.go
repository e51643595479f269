package coordinator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

// decision is what a change made of one image: the transaction to try, or the
// refusal. A refusal too names what it compared: it is told only if the store
// agrees, so that a broker whose image lags does not refuse what it has not seen.
type decision struct {
	compares []store.Compare
	ops      []store.Op // none: the change is only checked
	err      error
	shrinks  bool // the ops take up no more room, or give some back
}

// adds reports whether the store gets larger by the ops.
func (d *decision) adds() bool {
	return !d.shrinks && slices.ContainsFunc(d.ops, func(op store.Op) bool { return op.Kind == store.OpPut })
}

// change decides from the newest image until the store agrees with what the
// decision compared. It returns when the image shows the change.
func (c *Cluster) change(ctx context.Context, decide func(*image.Image) decision) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	ch := change{c: c, decide: decide}
	for {
		moved := c.Changed() // before the image is looked at, so that no move of it is missed
		if over, rev, err := ch.try(ctx); over {
			return c.changed(ctx, rev, err)
		}
		if err := c.awaitMove(ctx, moved, nil); err != nil {
			return err
		}
	}
}

// change is one change on its way into the store.
//
// A try that is lost, see insist, may have been made all the same. The next one
// compares the same, so that one of them wins at most; when it is refused, it is
// found out whether the lost one has won.
type change struct {
	c      *Cluster
	decide func(*image.Image) decision
	lost   store.Op // the first of the newest decision of which a try was lost; of no kind: none was
}

// try decides once and writes that. over is false if somebody was faster: the image
// will show it, and then it is decided again.
func (ch *change) try(ctx context.Context) (over bool, rev int64, err error) {
	if made, rev, err := ch.c.wasMade(ctx, ch.lost); err != nil || made {
		return true, rev, err
	}
	d := ch.decide(ch.c.Image())
	if d.err != nil {
		d.ops = nil // a refusal writes nothing, but compares
	}
	if d.adds() {
		if err := ch.c.admit(ctx); err != nil {
			return true, 0, err
		}
	}
	ok, rev, err := ch.write(ctx, &d)
	switch {
	case err != nil || ok && len(d.ops) > 0:
		return true, rev, err
	case ok && ch.lost.Kind == store.OpDelete && errors.Is(d.err, refusal.ErrUnknownTopic):
		return true, 0, nil // the lost try has deleted it
	case ok:
		return true, 0, d.err
	}
	return false, 0, nil
}

// write makes the transaction of a decision, and notes if a try of it was lost.
func (ch *change) write(ctx context.Context, d *decision) (ok bool, rev int64, err error) {
	err = ch.c.insist(ctx, func(ctx context.Context) (err error) {
		ok, rev, err = ch.c.o.Store.Txn(ctx, d.compares, d.ops)
		if isLost(err) && len(d.ops) > 0 {
			ch.lost = d.ops[0]
		}
		return err
	})
	return ok, rev, err
}

// awaitMove waits until the image has moved, or until it is time to try again
// whether or not it has.
func (c *Cluster) awaitMove(ctx context.Context, moved <-chan struct{}, retry <-chan time.Time) error {
	select {
	case <-moved:
		return nil
	case <-retry:
		return nil
	case <-c.ending.Done():
		return ErrClosed
	case <-ctx.Done():
		return outOfTime(ctx)
	}
}

// changed is the outcome of a change that got a revision, or failed.
func (c *Cluster) changed(ctx context.Context, rev int64, err error) error {
	if err != nil {
		return err
	}
	return c.await(ctx, rev)
}

// wasMade reports whether the store holds what a lost try has put, and since which revision.
func (c *Cluster) wasMade(ctx context.Context, lost store.Op) (made bool, rev int64, err error) {
	if lost.Kind != store.OpPut {
		return false, 0, nil
	}
	var kv store.KeyValue
	err = c.insist(ctx, func(ctx context.Context) (err error) {
		kv, _, err = c.o.Store.Get(ctx, lost.Key)
		return err
	})
	return bytes.Equal(kv.Value, lost.Value), kv.ModRevision, err
}

// insistMin and insistMax bound one try of what is insisted on.
const (
	insistMin = 200 * time.Millisecond
	insistMax = 2 * time.Second
)

// insist makes a call, which must do no harm when it is made twice, until the
// store answers or ctx ends. A request on its way to a leader of etcd that died
// is lost, and nobody says so: the next one finds the new leader. Tries get
// longer, for a store that is only slow.
func (c *Cluster) insist(ctx context.Context, call func(context.Context) error) error {
	for bound := insistMin; ; bound = min(2*bound, insistMax) {
		try, cancel := context.WithTimeout(ctx, bound)
		err := call(try)
		cancel()
		if !isLost(err) {
			return err
		}
		if ctx.Err() != nil || c.ending.Err() != nil || !sleep(ctx, retryMin/2) {
			return unavailable(err)
		}
	}
}

// isLost reports whether the outcome of a call to the store is not known.
func isLost(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded)
}

// unavailable is the error of a call that was lost.
func unavailable(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: no answer in time: %w", store.ErrUnavailable, err)
}

// bounded gives a change a deadline if it has none.
func (c *Cluster) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.o.RequestTimeout)
}

// outOfTime is the error of a wait that ctx ended.
func outOfTime(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: the metadata did not move in time: %w", store.ErrUnavailable, ctx.Err())
	}
	return ctx.Err()
}
