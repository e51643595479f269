package coordinator

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

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
// incarnation; Close takes it back, after the loop has ended.
type session struct {
	lease       atomic.Int64 // 0: not registered
	incarnation int64        // of the loop alone

	requests chan chan<- registration // from Register to the loop
	wake     chan struct{}            // tells the loop to look now; it holds one signal at most
}

// registration is the loop's answer to Register: the revision to wait for.
type registration struct {
	revision int64
	err      error
}

// sessionBeats is how many times a lease is renewed before it would lapse.
const sessionBeats = 4

// look wakes the loop if the image lacks what the session is there to keep.
func (s *session) look(im *Image, self protocol.BrokerID) {
	if _, ok := im.Broker(self); ok && im.Controller != protocol.NoBroker {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Register makes this broker known to all for as long as Run runs. It returns
// when the image shows it. While another live broker holds the id, it waits for
// that one to lapse, for twice the session timeout, and then refuses with ErrBrokerIDTaken.
func (c *Cluster) Register(ctx context.Context) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	answer := make(chan registration, 1)
	select {
	case c.session.requests <- answer:
	case <-c.ending.Done():
		return ErrClosed
	case <-ctx.Done():
		return outOfTime(ctx)
	}
	select {
	case r := <-answer:
		if r.err != nil {
			return fmt.Errorf("register broker %d: %w", c.o.Self.ID, r.err)
		}
		return c.await(ctx, r.revision)
	case <-c.ending.Done():
		return ErrClosed
	case <-ctx.Done():
		return outOfTime(ctx)
	}
}

// keepSession registers when it is asked to, renews the lease, and registers
// again when it was lost.
func (c *Cluster) keepSession(ctx context.Context) error {
	beat := time.NewTicker(c.o.SessionTimeout / sessionBeats)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-c.session.requests:
			rev, err := c.register(ctx)
			answer <- registration{revision: rev, err: err}
			continue
		case <-beat.C:
		case <-c.session.wake:
		}
		if lease := LeaseID(c.session.lease.Load()); lease != 0 {
			c.renew(ctx, lease)
		}
	}
}

// renew is one beat of the session. That the store is gone, the watcher says;
// the next beat tries again.
func (c *Cluster) renew(ctx context.Context, lease LeaseID) {
	err := c.o.Store.KeepAlive(ctx, lease)
	if err == nil {
		err = c.mend(ctx, lease)
	}
	if errors.Is(err, ErrLeaseNotFound) {
		c.log.Warn("broker's lease has lapsed; registering again", "broker", c.o.Self.ID)
		_, err = c.register(ctx)
	}
	if err != nil && ctx.Err() == nil {
		c.log.Debug("session not renewed", "broker", c.o.Self.ID, "error", err)
	}
}

// mend puts right what the image shows to be missing, if the image is new enough to tell.
func (c *Cluster) mend(ctx context.Context, lease LeaseID) error {
	im := c.Image()
	if im.Revision < c.session.incarnation {
		return nil
	}
	if _, ok := im.Broker(c.o.Self.ID); !ok {
		// Somebody deleted the key; a lease that lapsed would have been told.
		return fmt.Errorf("registration is gone: %w", ErrLeaseNotFound)
	}
	if im.Controller == protocol.NoBroker {
		return c.claimController(ctx, lease)
	}
	return nil
}

// register makes a lease and claims what hangs on it.
func (c *Cluster) register(ctx context.Context) (int64, error) {
	lease, err := c.o.Store.GrantLease(ctx, c.o.SessionTimeout)
	if err != nil {
		return 0, err
	}
	rev, predecessor, err := c.claim(ctx, lease)
	if err != nil {
		// Nothing hangs on the new lease; if it cannot be revoked now it lapses.
		_ = c.o.Store.RevokeLease(ctx, lease)
		return 0, err
	}
	old := LeaseID(c.session.lease.Swap(int64(lease)))
	c.session.incarnation = rev
	c.log.Debug("broker registered", "broker", c.o.Self.ID, "incarnation", rev)
	// What hung on an earlier lease, the controller's key above all, goes at once.
	for _, id := range []LeaseID{old, predecessor} {
		if id != 0 {
			if err := c.o.Store.RevokeLease(ctx, id); err != nil {
				return 0, err
			}
		}
	}
	return rev, c.claimController(ctx, lease)
}

// claim puts this broker's key under the lease. It returns the revision, which
// is the incarnation, and the lease that the key was under before.
func (c *Cluster) claim(ctx context.Context, lease LeaseID) (rev int64, predecessor LeaseID, err error) {
	key := c.keys.broker(c.o.Self.ID)
	put := PutLeased(key, encode(c.o.Self.value()), lease)
	patience := time.NewTimer(2 * c.o.SessionTimeout)
	defer patience.Stop()
	for {
		kv, _, err := c.o.Store.Get(ctx, key)
		if err != nil {
			return 0, 0, err
		}
		if kv.ModRevision == 0 || c.ours(kv) {
			ok, rev, err := c.o.Store.Txn(ctx, []Compare{{Key: key, ModRevision: kv.ModRevision}}, []Op{put})
			if err != nil || ok {
				return rev, kv.Lease, err
			}
			continue
		}
		if err := c.o.Store.KeepAlive(ctx, lease); err != nil {
			return 0, 0, err
		}
		select {
		case <-time.After(c.o.SessionTimeout / sessionBeats):
		case <-patience.C:
			return 0, 0, fmt.Errorf("%w: %s", ErrBrokerIDTaken, kv.Value)
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
}

// ours reports whether a registration was left by an earlier life of this
// broker. A data directory has one process at a time, so whoever registered
// from it before is dead.
func (c *Cluster) ours(kv KeyValue) bool {
	if kv.Lease != 0 && int64(kv.Lease) == c.session.lease.Load() {
		return true
	}
	v, err := decode[brokerValue](kv)
	return err == nil && v.Directory != "" && v.Directory == c.o.Self.DirectoryID
}

// claimController takes the controller's key if nobody has it.
func (c *Cluster) claimController(ctx context.Context, lease LeaseID) error {
	key := c.keys.controller()
	put := PutLeased(key, encode(controllerValue{Broker: c.o.Self.ID}), lease)
	ok, rev, err := c.o.Store.Txn(ctx, []Compare{Absent(key)}, []Op{put})
	if ok {
		c.log.Info("broker is controller", "broker", c.o.Self.ID, "revision", rev)
	}
	return err
}

// unregister takes the registration back. The session loop must have ended.
func (c *Cluster) unregister(ctx context.Context) error {
	lease := LeaseID(c.session.lease.Swap(0))
	if lease == 0 {
		return nil
	}
	if err := c.o.Store.RevokeLease(ctx, lease); err != nil {
		return fmt.Errorf("unregister broker %d: %w", c.o.Self.ID, err)
	}
	return nil
}
