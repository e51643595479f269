package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
)

// Cluster keeps the newest Image and changes the store.
//
// Its life: Open, then Run in a goroutine of the caller, then Register when the
// listeners stand, and Close at the end. Changes wait for Run to see them, so
// none returns before Run runs. All methods are safe for concurrent use.
//
// Run's watcher is the only writer of the image. Run's session keeps this
// broker's registration alive. All that Run's controller and ISR writer, or any
// other broker's, decide from an image becomes true by compare-and-swap alone:
// who only believes to be controller does no harm.
type Cluster struct {
	o      Options
	keys   store.Keys
	log    *slog.Logger
	image  atomic.Pointer[image.Image]
	stop   context.CancelFunc // ends Run and whoever waits for it
	ending context.Context    // ended by stop

	process string // names this process in its registration
	session session
	health  health
	quota   quota
	isr     isrQueue

	suspicions suspicions

	mu struct {
		sync.Mutex
		changed chan struct{} // closed and replaced with each image
		running chan struct{} // closed when Run has returned; nil: it never ran
	}
}

// Open reads the store and makes the cluster in it if it is empty.
func Open(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{o: o, keys: store.Keys{Prefix: o.Prefix}, log: o.Logger}
	c.ending, c.stop = context.WithCancel(context.Background())
	c.session.changed = notify.New()
	c.session.requests = make(chan request)
	c.isr.changed = notify.New()
	c.suspicions.changed = notify.New()
	c.suspicions.mu.of = make(map[protocol.BrokerID]protocol.BrokerEpoch)
	c.mu.changed = make(chan struct{})

	process, err := newID(o.Rand)
	if err != nil {
		return nil, err
	}
	c.process = process.String()
	im, err := c.open(ctx)
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("open cluster metadata: %w", err)
	}
	c.image.Store(im)
	return c, nil
}

func (c *Cluster) open(ctx context.Context) (*image.Image, error) {
	im, err := c.listAtStart(ctx)
	if err != nil {
		return nil, err
	}
	if im.ClusterID == "" {
		if im, err = c.found(ctx); err != nil {
			return nil, err
		}
	}
	if want := c.o.ExpectClusterID; want != "" && im.ClusterID != want {
		return nil, fmt.Errorf("%w: it holds %s, and this broker belongs to %s", image.ErrClusterMismatch, im.ClusterID, want)
	}
	if want := c.o.ClusterID; want != "" && im.ClusterID != want {
		return nil, fmt.Errorf("%w: it holds %s, and %s is asked for", image.ErrClusterMismatch, im.ClusterID, want)
	}
	return im, nil
}

// found makes a new cluster in an empty store. Of brokers that do so at once, one wins.
func (c *Cluster) found(ctx context.Context) (*image.Image, error) {
	if want := c.o.ExpectClusterID; want != "" {
		return nil, fmt.Errorf("%w: it is empty, and this broker belongs to %s", image.ErrClusterMismatch, want)
	}
	name := c.o.ClusterID
	if name == "" {
		id, err := newID(c.o.Rand)
		if err != nil {
			return nil, err
		}
		name = id.String()
	}
	key := c.keys.Format()
	value := store.Encode(store.FormatValue{Version: store.FormatVersion, ClusterID: name})
	err := c.insist(ctx, func(ctx context.Context) error {
		_, _, err := c.o.Store.Txn(ctx, []store.Compare{store.Absent(key)}, []store.Op{store.Put(key, value)})
		return err
	})
	if err != nil {
		return nil, err
	}
	return c.list(ctx)
}

// openWait bounds how long a start waits for a store that does not answer.
const openWait = 30 * time.Second

// listAtStart reads the image as soon as the store answers. An etcd that has just
// started on a slow disk may change its leader once more, and a broker that ended
// for that would have to be started again by somebody.
func (c *Cluster) listAtStart(ctx context.Context) (*image.Image, error) {
	ctx, cancel := context.WithTimeout(ctx, openWait)
	defer cancel()
	for said := false; ; said = true {
		im, err := c.list(ctx)
		if !isLost(err) {
			return im, err
		}
		if !said {
			c.log.Warn("the metadata store does not answer; waiting for it", "error", err, "most", openWait.String())
		}
		if !sleep(ctx, retryMin) {
			return nil, unavailable(err)
		}
	}
}

// list reads the whole image. With values that cannot be read there is an image and an error.
func (c *Cluster) list(ctx context.Context) (*image.Image, error) {
	all, rev, err := c.o.Store.List(ctx, c.o.Prefix)
	if err != nil {
		return nil, err
	}
	return image.Load(c.keys, all, rev)
}

// SessionTimeout is how long a silent broker counts as alive.
func (c *Cluster) SessionTimeout() time.Duration { return c.o.SessionTimeout }

// Image returns the newest image, without a lock.
func (c *Cluster) Image() *image.Image { return c.image.Load() }

// Changed returns a channel that is closed at the next image. Take it before
// looking at the image; then no change between the two is missed.
func (c *Cluster) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.changed
}

// publish makes an image the newest. Only the watcher calls it.
func (c *Cluster) publish(im *image.Image) {
	c.image.Store(im)
	c.mu.Lock()
	close(c.mu.changed)
	c.mu.changed = make(chan struct{})
	c.mu.Unlock()
	c.session.look(im, c.o.Self.ID)
}

// await returns when the image shows the revision.
func (c *Cluster) await(ctx context.Context, revision int64) error {
	return c.awaitImage(ctx, func(im *image.Image) bool { return im.Revision >= revision })
}

func (c *Cluster) awaitImage(ctx context.Context, good func(*image.Image) bool) error {
	for {
		moved := c.Changed()
		if good(c.Image()) {
			return nil
		}
		if err := c.awaitMove(ctx, moved, nil); err != nil {
			return err
		}
	}
}

// Run follows the store, keeps this broker registered, writes the ISR changes
// and suspicions that it is given and, while this broker is controller, holds
// elections. It does so until ctx ends or Close is called, which are no errors. It must be
// called once.
func (c *Cluster) Run(ctx context.Context) error {
	done := make(chan struct{})
	defer close(done)
	c.mu.Lock()
	c.mu.running = done
	c.mu.Unlock()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ending, cancel)()
	// Whoever waits for an image must not wait for one that nobody will make.
	defer c.stop()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.watch(ctx) })
	g.Go(func() error { return c.keepSession(ctx) })
	g.Go(func() error { return c.alterISRs(ctx) })
	g.Go(func() error { return c.control(ctx) })
	g.Go(func() error { return c.suspect(ctx) })
	g.Go(func() error { return c.watchQuota(ctx) })
	g.Go(func() error { return c.keepMembers(ctx) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("cluster metadata: %w", err)
	}
	return nil
}

// Close ends Run and takes this broker's registration back, so that the others
// need not wait until it lapses. The store stays open.
func (c *Cluster) Close(ctx context.Context) error {
	c.stop()
	c.mu.Lock()
	running := c.mu.running
	c.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return c.unregister(ctx)
}
