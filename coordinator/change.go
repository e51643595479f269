package coordinator

import (
	"context"
	"errors"
	"fmt"
)

// decision is what a change made of one image: the transaction to try, or the
// refusal. A refusal too names what it compared: it is told only if the store
// agrees, so that a broker whose image lags does not refuse what it has not seen.
type decision struct {
	compares []Compare
	ops      []Op // none: the change is only checked
	err      error
}

// change decides from the newest image until the store agrees with what the
// decision compared. It returns when the image shows the change.
func (c *Cluster) change(ctx context.Context, decide func(*Image) decision) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	for {
		changed := c.Changed()
		d := decide(c.Image())
		if d.err != nil {
			d.ops = nil
		}
		ok, rev, err := c.o.Store.Txn(ctx, d.compares, d.ops)
		if err != nil {
			return err
		}
		if ok {
			if len(d.ops) == 0 {
				return d.err
			}
			return c.await(ctx, rev)
		}
		// Somebody was faster, and the image will show it.
		select {
		case <-changed:
		case <-c.ending.Done():
			return ErrClosed
		case <-ctx.Done():
			return outOfTime(ctx)
		}
	}
}

// insist makes a call, which must do no harm when it is made twice, until the
// store answers or ctx ends. Each try is bounded, as a request may be lost with
// the member of etcd that had it.
func (c *Cluster) insist(ctx context.Context, call func(context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, lossTimeout)
		err := call(try)
		lost := errors.Is(err, ErrStoreUnavailable) || err != nil && try.Err() != nil
		cancel()
		if !lost || ctx.Err() != nil || c.ending.Err() != nil || !sleep(ctx, retryMin) {
			return err
		}
	}
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
		return fmt.Errorf("%w: the metadata did not move in time: %w", ErrStoreUnavailable, ctx.Err())
	}
	return ctx.Err()
}
