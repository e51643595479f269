package coordinator

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
)

// A dead process refuses connections, and whoever sees that fences it at once.
// One that is stopped, or cut off from all, only falls silent, and so does one
// behind a single cut link. What tells them apart is how many hear nothing of it:
//
//	suspects/3/1 ┐ more than half of the other live brokers, and two at least,
//	suspects/3/2 ┘ suspect broker 3 in this epoch: each of them fences it
//
// Nobody fences on its own silence alone: a link that is cut between two brokers
// is their partitions' matter, and the ISR tells it. A suspicion hangs on the
// lease of the broker that has it, and counts for one broker epoch alone; a live
// broker that was fenced for nothing goes on in another.

const (
	// suspicionTimeout bounds one try to write a suspicion or to fence: it may be on
	// its way to a leader of etcd that is the very broker which is silent.
	suspicionTimeout = 200 * time.Millisecond
	suspicionRetry   = 25 * time.Millisecond
)

// suspicions are the brokers that this one hears nothing of.
type suspicions struct {
	changed notify.Signal

	mu struct {
		sync.Mutex
		of map[protocol.BrokerID]protocol.BrokerEpoch
	}
}

// Suspect tells the others that this broker hears nothing of another one, which
// it had heard of in this epoch. It does not block, and holds until Trust, or
// until that epoch is over.
func (c *Cluster) Suspect(id protocol.BrokerID, epoch protocol.BrokerEpoch) {
	c.suspicions.set(func(of map[protocol.BrokerID]protocol.BrokerEpoch) { of[id] = epoch })
}

// Trust takes back what Suspect said. It does not block.
func (c *Cluster) Trust(id protocol.BrokerID) {
	c.suspicions.set(func(of map[protocol.BrokerID]protocol.BrokerEpoch) { delete(of, id) })
}

func (s *suspicions) set(change func(map[protocol.BrokerID]protocol.BrokerEpoch)) {
	s.mu.Lock()
	change(s.mu.of)
	s.mu.Unlock()
	s.changed.Notify()
}

// held are the suspicions that this broker has. One of an epoch that is over, as the image shows, goes.
func (s *suspicions) held(im *image.Image) map[protocol.BrokerID]protocol.BrokerEpoch {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.mu.of, func(id protocol.BrokerID, epoch protocol.BrokerEpoch) bool {
		b, _ := im.Broker(id)
		return b.Epoch != epoch && im.Revision >= int64(epoch)
	})
	return maps.Clone(s.mu.of)
}

// suspect keeps this broker's suspicions in the store, and fences whom enough
// suspect, until ctx ends.
func (c *Cluster) suspect(ctx context.Context) error {
	for {
		changed := c.Changed()
		im := c.Image()
		var retry <-chan time.Time
		if !c.saySuspects(ctx, im) || !c.fenceSuspected(ctx, im) {
			retry = time.After(suspicionRetry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-c.suspicions.changed:
		case <-retry:
		}
	}
}

// saySuspects writes what the image lacks of this broker's suspicions and takes
// away what it has too much. It reports whether it is as it should be.
func (c *Cluster) saySuspects(ctx context.Context, im *image.Image) bool {
	held := c.suspicions.held(im)
	lease := c.leaseIn(im)
	self, done := c.o.Self.ID, true
	for id, epoch := range held {
		if said := im.Suspicions()[id][self]; said != epoch && lease != 0 {
			// Only in an epoch that goes on: it may have registered anew meanwhile.
			compare := store.Compare{Key: c.keys.Broker(id), ModRevision: int64(epoch)}
			put := store.PutLeased(c.keys.Suspect(id, self), store.Encode(store.SuspectValue{Epoch: epoch}), lease)
			done = c.say(ctx, compare, put) && done
		}
	}
	for id, by := range im.Suspicions() {
		if said, ok := by[self]; ok && held[id] == 0 {
			c.log.Debug("broker is not suspected any more", "broker", id, "broker_epoch", said)
			done = c.say(ctx, store.Compare{}, store.Delete(c.keys.Suspect(id, self))) && done
		}
	}
	return done
}

// say makes one change, and waits until the image shows it. Whether it was made
// is not known if it reports false.
func (c *Cluster) say(ctx context.Context, compare store.Compare, op store.Op) bool {
	ctx, cancel := context.WithTimeout(ctx, suspicionTimeout)
	defer cancel()
	var compares []store.Compare
	if compare.Key != "" {
		compares = []store.Compare{compare}
	}
	ok, rev, err := c.o.Store.Txn(ctx, compares, []store.Op{op})
	if err != nil {
		return false
	}
	return !ok || c.await(ctx, rev) == nil // refused: the next image says why
}

// fenceSuspected ends the registrations of brokers that enough others suspect, if this is one of those.
func (c *Cluster) fenceSuspected(ctx context.Context, im *image.Image) bool {
	done := true
	for id, by := range im.Suspicions() {
		b, live := im.Broker(id)
		suspecting := im.Suspecting(id)
		if !live || by[c.o.Self.ID] != b.Epoch || !plan.SuspicionQuorum(len(suspecting), len(im.Brokers())-1) {
			continue
		}
		if c.fenceSilent(ctx, &b) {
			c.log.Warn("broker is silent; its registration was ended", "broker", id, "broker_epoch", b.Epoch, "suspected by",
				suspecting)
		} else {
			done = false
		}
	}
	return done
}

func (c *Cluster) fenceSilent(ctx context.Context, b *image.Broker) bool {
	ctx, cancel := context.WithTimeout(ctx, suspicionTimeout)
	defer cancel()
	if err := c.o.Store.RevokeLease(ctx, b.Lease); err != nil {
		return false
	}
	return c.awaitImage(ctx, func(im *image.Image) bool { now, _ := im.Broker(b.ID); return now.Epoch != b.Epoch }) == nil
}
