package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
)

// session is this broker's registration: a lease, and the keys that live as
// long as it does.
//
//	        Register                 lease or key lost
//	none ------------> registered <--------------------> registering again
//	                       | Close
//	                       v
//	                      none
//
// Run's session loop makes and mends it and is the only one to set lease and
// epochs; Close takes it back, after the loop has ended.
type session struct {
	lease   atomic.Int64 // 0: not registered
	leaving atomic.Bool  // by Leave, for good

	// Of the loop alone.
	asked Registration         // by the newest Register
	epoch protocol.BrokerEpoch // the newest of this process; 0: none
	first protocol.BrokerEpoch // the oldest of this process

	requests chan request  // from Register to the loop
	changed  notify.Signal // tells the loop to look now
}

// Registration is what a broker says of itself when it registers.
type Registration struct {
	// PreviousEpoch is the broker epoch that ended with everything on disk, and
	// that this one goes on from (KIP-966); 0: there was none, or it did not end so.
	PreviousEpoch protocol.BrokerEpoch
	// Lost are the partitions that the image gives this broker in the ISR, and
	// whose logs are gone or cannot be opened.
	Lost []protocol.TopicPartition
}

// request is a Register on its way to the loop; answer has room for one.
type request struct {
	Registration
	answer chan<- registered
}

// registered is the loop's answer to Register: the revision to wait for.
type registered struct {
	revision int64
	err      error
}

// SessionBeats is how many times a lease is renewed before it would lapse.
const SessionBeats = 4

// look notifies the loop if the image lacks what the session is there to keep.
func (s *session) look(im *image.Image, self protocol.BrokerID) {
	if _, ok := im.Broker(self); ok {
		return
	}
	s.changed.Notify()
}

// Register makes this broker known to all for as long as Run runs. It returns
// when the image shows it. While another live broker holds the id, it waits for
// that one to lapse, for twice the session timeout, and then refuses with ErrBrokerIDTaken.
//
// A session whose lease lapsed while the process lived registers again by itself,
// in a new broker epoch that goes on from the last: nothing was lost.
func (c *Cluster) Register(ctx context.Context, r Registration) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	if err := c.insist(ctx, func(context.Context) error { return c.askSession(ctx, r) }); err != nil {
		return fmt.Errorf("register broker %d: %w", c.o.Self.ID, err)
	}
	return nil
}

// askSession has the loop register this broker, once.
func (c *Cluster) askSession(ctx context.Context, r Registration) error {
	answer := make(chan registered, 1)
	select {
	case c.session.requests <- request{r, answer}:
	case <-c.ending.Done():
		return ErrClosed
	case <-ctx.Done():
		return outOfTime(ctx)
	}
	select {
	case r := <-answer:
		if r.err != nil {
			return r.err
		}
		return c.await(ctx, r.revision)
	case <-c.ending.Done():
		return ErrClosed
	case <-ctx.Done():
		return outOfTime(ctx)
	}
}

// BrokerEpoch is that of this process's present registration, as the image
// shows it; 0 before there is one, and while a lease that lapsed is not replaced.
func (c *Cluster) BrokerEpoch() protocol.BrokerEpoch { return c.epochIn(c.Image()) }

func (c *Cluster) epochIn(im *image.Image) protocol.BrokerEpoch {
	if b, ok := im.Broker(c.o.Self.ID); ok && b.Process == c.process {
		return b.Epoch
	}
	return 0
}

// leaseIn is the lease of this process's registration, as an image shows it; 0: there is none.
func (c *Cluster) leaseIn(im *image.Image) store.LeaseID {
	if b, ok := im.Broker(c.o.Self.ID); ok && b.Process == c.process {
		return b.Lease
	}
	return 0
}

// Leave tells all that this broker is about to shut down, so that others come
// to lead in its place. It returns when the image shows it, and holds until Close.
func (c *Cluster) Leave(ctx context.Context) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	lease := store.LeaseID(c.session.lease.Load())
	if lease == 0 {
		return fmt.Errorf("broker %d leaves: %w", c.o.Self.ID, ErrNotRegistered)
	}
	c.session.leaving.Store(true)
	put := store.PutLeased(c.keys.Leaving(c.o.Self.ID), []byte("{}"), lease)
	err := c.insist(ctx, func(ctx context.Context) error {
		_, _, err := c.o.Store.Txn(ctx, nil, []store.Op{put})
		return err
	})
	// With a lease that lapsed, the registration that takes its place says it too.
	if err != nil && !errors.Is(err, store.ErrLeaseNotFound) {
		return fmt.Errorf("broker %d leaves: %w", c.o.Self.ID, err)
	}
	return c.awaitImage(ctx, func(im *image.Image) bool {
		b, ok := im.Broker(c.o.Self.ID)
		return ok && b.Leaving
	})
}

// Fence ends the registration of a broker that is proven dead: its listener, on
// a machine that answers, refuses connections. All that hung on its lease goes in
// one revision. A live broker that was fenced by mistake registers again; a broker
// epoch that is no longer registered is no error.
func (c *Cluster) Fence(ctx context.Context, id protocol.BrokerID, epoch protocol.BrokerEpoch) error {
	b, ok := c.Image().Broker(id)
	if !ok || b.Epoch != epoch || b.Lease == 0 {
		return nil
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	// A lease is one registration's alone, so nothing of a later one goes with it.
	if err := c.insist(ctx, func(ctx context.Context) error { return c.o.Store.RevokeLease(ctx, b.Lease) }); err != nil {
		return fmt.Errorf("fence broker %d: %w", id, err)
	}
	c.log.Info("broker is dead; its registration was ended", "broker", id, "broker_epoch", epoch)
	return nil
}

// keepSession registers when it is asked to, renews the lease, and registers
// again when it was lost.
func (c *Cluster) keepSession(ctx context.Context) error {
	beat := time.NewTicker(c.o.SessionTimeout / SessionBeats)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-c.session.requests:
			c.session.asked = r.Registration
			rev, err := c.register(ctx)
			r.answer <- registered{revision: rev, err: err}
			continue
		case <-beat.C:
		case <-c.session.changed:
		}
		if lease := store.LeaseID(c.session.lease.Load()); lease != 0 {
			c.renew(ctx, lease)
		}
	}
}

// brief bounds a call of the session, so that one which is lost does not cost the lease.
func (c *Cluster) brief(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.o.SessionTimeout/2)
}

// renew is one beat of the session. When the store is gone the next beat tries again.
func (c *Cluster) renew(ctx context.Context, lease store.LeaseID) {
	call, cancel := c.brief(ctx)
	err := c.o.Store.KeepAlive(call, lease)
	cancel()
	if ctx.Err() != nil {
		return
	}
	c.storeSeen(&c.health.session, err == nil || errors.Is(err, store.ErrLeaseNotFound), err)
	if err == nil {
		err = c.mend()
	}
	if errors.Is(err, store.ErrLeaseNotFound) {
		c.log.Warn("broker's lease has lapsed; registering again", "broker", c.o.Self.ID)
		_, err = c.register(ctx)
	}
	if err != nil && ctx.Err() == nil {
		c.log.Debug("session not renewed", "broker", c.o.Self.ID, "error", err)
	}
}

// mend reports what the image shows to be missing, if the image is new enough to tell.
func (c *Cluster) mend() error {
	if im := c.Image(); im.Revision >= int64(c.session.epoch) && c.epochIn(im) == 0 {
		// Somebody deleted the key; a lease that lapsed would have been told.
		return fmt.Errorf("registration is gone: %w", store.ErrLeaseNotFound)
	}
	return nil
}

// unregister takes the registration back. The session loop must have ended.
func (c *Cluster) unregister(ctx context.Context) error {
	lease := store.LeaseID(c.session.lease.Swap(0))
	if lease == 0 {
		return nil
	}
	if err := c.o.Store.RevokeLease(ctx, lease); err != nil {
		return fmt.Errorf("unregister broker %d: %w", c.o.Self.ID, err)
	}
	return nil
}
