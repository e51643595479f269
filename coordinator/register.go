package coordinator

import (
	"context"
	"fmt"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// register makes a lease and claims what hangs on it. Only the session loop calls it.
func (c *Cluster) register(ctx context.Context) (int64, error) {
	call, cancel := c.brief(ctx)
	defer cancel()
	lease, err := c.o.Store.GrantLease(call, c.o.SessionTimeout)
	if err != nil {
		return 0, err
	}
	rev, predecessor, err := c.claim(ctx, lease)
	if err != nil {
		// Nothing is meant to hang on the new lease; if it cannot be revoked now it lapses.
		_ = c.revoke(ctx, lease)
		return 0, err
	}
	old := store.LeaseID(c.session.lease.Swap(int64(lease)))
	c.session.began(protocol.BrokerEpoch(rev))
	c.log.Debug("broker registered", "broker", c.o.Self.ID, "broker_epoch", rev)
	// What hung on an earlier lease, the controller's key above all, goes at once.
	for _, id := range []store.LeaseID{old, predecessor} {
		if id != 0 {
			if err := c.revoke(ctx, id); err != nil {
				c.log.Debug("earlier lease not revoked", "error", err) // it lapses
			}
		}
	}
	return rev, nil
}

func (c *Cluster) revoke(ctx context.Context, lease store.LeaseID) error {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	return c.o.Store.RevokeLease(ctx, lease)
}

// began notes a broker epoch of this process.
func (s *session) began(epoch protocol.BrokerEpoch) {
	s.epoch = epoch
	if s.first == 0 {
		s.first = epoch
	}
}

// claim puts this broker's key under the lease. It returns the revision, which
// is the broker epoch, and the lease that the key was under before.
func (c *Cluster) claim(ctx context.Context, lease store.LeaseID) (rev int64, predecessor store.LeaseID, err error) {
	patience := time.NewTimer(2 * c.o.SessionTimeout)
	defer patience.Stop()
	for {
		kv, ok, rev, err := c.claimOnce(ctx, lease)
		if err != nil || ok {
			return rev, kv.Lease, err
		}
		if kv.ModRevision == 0 || c.ours(kv) {
			continue // somebody was faster; look again
		}
		select {
		case <-time.After(c.o.SessionTimeout / SessionBeats):
		case <-patience.C:
			return 0, 0, fmt.Errorf("%w: %s", ErrBrokerIDTaken, kv.Value)
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
}

// claimOnce looks at the key, and takes it if it is free or this broker's own.
func (c *Cluster) claimOnce(ctx context.Context,
	lease store.LeaseID) (was store.KeyValue, ok bool, rev int64, err error) {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	was, _, err = c.o.Store.Get(ctx, c.keys.Broker(c.o.Self.ID))
	switch {
	case err != nil:
	case was.ModRevision == 0 || c.ours(was):
		ok, rev, err = c.take(ctx, was, lease)
	default:
		err = c.o.Store.KeepAlive(ctx, lease)
	}
	return was, ok, rev, err
}

// take puts the key in the place of what was there, and with it what else is
// to change at the same moment.
func (c *Cluster) take(ctx context.Context, was store.KeyValue, lease store.LeaseID) (bool, int64, error) {
	id := c.o.Self.ID
	dir, _, err := c.o.Store.Get(ctx, c.keys.Directory(id))
	if err != nil {
		return false, 0, err
	}
	self := c.self(was)
	compares := []store.Compare{{Key: was.Key, ModRevision: was.ModRevision}, {Key: dir.Key, ModRevision: dir.ModRevision}}
	ops := []store.Op{store.PutLeased(was.Key, store.Encode(self.Value()), lease)}
	if c.session.leaving.Load() {
		ops = append(ops, store.PutLeased(c.keys.Leaving(id), []byte("{}"), lease))
	} else {
		ops = append(ops, store.Delete(c.keys.Leaving(id))) // of an earlier epoch
	}
	v, err := store.Decode[store.DirectoryValue](dir)
	if self.DirectoryID != "" && (err != nil || v.Directory != self.DirectoryID) {
		ops = append(ops, store.Put(dir.Key, store.Encode(store.DirectoryValue{Directory: self.DirectoryID})))
	}
	return c.o.Store.Txn(ctx, compares, ops)
}

// self is this broker as it is to be registered, in the place of another registration or of none.
func (c *Cluster) self(was store.KeyValue) image.Broker {
	if v, err := store.Decode[store.BrokerValue](was); err == nil && v.Process == c.process {
		// An earlier attempt, of which it was not known whether it had worked.
		c.session.began(protocol.BrokerEpoch(was.ModRevision))
	}
	b := c.o.Self
	b.Process = c.process
	b.PreviousEpoch, b.Lost, b.LostSince = c.session.asked.PreviousEpoch, c.session.asked.Lost, c.session.first
	if c.session.epoch != 0 {
		b.PreviousEpoch = c.session.epoch
	}
	return b
}

// ours reports whether a registration was left by this process or an earlier
// one of this broker. A data directory has one process at a time, so whoever
// registered from it before is dead.
func (c *Cluster) ours(kv store.KeyValue) bool {
	v, err := store.Decode[store.BrokerValue](kv)
	if err != nil {
		return false
	}
	return v.Process == c.process || v.Directory != "" && v.Directory == c.o.Self.DirectoryID
}
