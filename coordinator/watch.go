package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

// How long the watcher waits before it tries a store again that was gone.
const (
	retryMin = 50 * time.Millisecond
	retryMax = time.Second
)

// watch folds the store's changes into images until ctx ends.
func (c *Cluster) watch(ctx context.Context) error {
	for {
		err := c.follow(ctx)
		if ctx.Err() == nil && !fatal(err) {
			err = c.resume(ctx, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			c.log.Error("cluster metadata cannot be followed any more", "revision", c.Image().Revision, "error", err)
			return err
		}
	}
}

// resume returns when a watch that ended can go on, from the image's revision.
// If the store no longer has what came since, everything is listed again. It
// tries until ctx ends or the store turns out to be another one.
func (c *Cluster) resume(ctx context.Context, ended error) error {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		// Waiting first also spares a store whose watches end as soon as they begin.
		if !sleep(ctx, wait) {
			return nil
		}
		var err error
		if errors.Is(ended, store.ErrCompacted) {
			err = c.relist(ctx)
		} else {
			err = c.checkForward(ctx)
		}
		if fatal(err) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		c.storeSeen(&c.health.watch, err == nil, err)
		if err == nil {
			return nil
		}
	}
}

// fatal errors are those that trying again would not heal, and that going on in spite of would harm.
func fatal(err error) bool {
	return errors.Is(err, image.ErrNewerFormat) || errors.Is(err, image.ErrClusterMismatch) || errors.Is(err,
		ErrStoreWentBack)
}

// follow folds updates until the watch ends with an error.
func (c *Cluster) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for u := range c.o.Store.Watch(ctx, c.o.Prefix, c.Image().Revision+1) {
		if u.Err != nil {
			return u.Err
		}
		if err := c.fold(u); err != nil {
			return err
		}
	}
	return fmt.Errorf("watch: %w: it ended", store.ErrUnavailable)
}

// fold publishes the image after an update.
func (c *Cluster) fold(u store.Update) error {
	f := image.NewFold(c.keys, c.Image())
	for _, e := range u.Events {
		f.Add(e)
	}
	return c.accept(f.Image(u.Revision))
}

// accept publishes an image unless its errors forbid it. What could not be read
// was left as it was, and is logged: one bad value must not stop the cluster.
func (c *Cluster) accept(im *image.Image, err error) error {
	if fatal(err) {
		return err
	}
	if err != nil {
		c.log.Error("metadata value cannot be read", "revision", im.Revision, "error", err)
	}
	c.publish(im)
	return nil
}

// relist makes the image anew from a listing.
func (c *Cluster) relist(ctx context.Context) error {
	im, err := c.list(ctx)
	if im == nil {
		return err
	}
	if err := c.successor(im.Revision, im.ClusterID); err != nil {
		return err
	}
	c.log.Warn("metadata is read anew: the store has dropped what came since", "from", c.Image().Revision, "revision",
		im.Revision)
	return c.accept(im, err)
}

// checkForward asks a store that was lost whether it still is the same one.
// A store that was restored from an old snapshot would leave a watch waiting
// for revisions that it will fill with something else.
func (c *Cluster) checkForward(ctx context.Context) error {
	kv, rev, err := c.o.Store.Get(ctx, c.keys.Format())
	if err != nil {
		return err
	}
	if kv.ModRevision == 0 {
		return fmt.Errorf("%w: it is empty", image.ErrClusterMismatch)
	}
	v, err := store.Decode[store.FormatValue](kv)
	if err != nil {
		return err
	}
	return c.successor(rev, v.ClusterID)
}

// successor refuses a store that cannot be what the image came from.
func (c *Cluster) successor(rev int64, clusterID string) error {
	im := c.Image()
	if clusterID != im.ClusterID {
		return fmt.Errorf("%w: it was %s and is %s", image.ErrClusterMismatch, im.ClusterID, clusterID)
	}
	if rev < im.Revision {
		return fmt.Errorf("%w: it was at revision %d and is at %d", ErrStoreWentBack, im.Revision, rev)
	}
	return nil
}

// sleep reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
