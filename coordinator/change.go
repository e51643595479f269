package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"
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
		lost := errors.Is(err, ErrStoreUnavailable) || errors.Is(err, context.DeadlineExceeded)
		if !lost || ctx.Err() != nil || c.ending.Err() != nil || !sleep(ctx, retryMin/2) {
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
