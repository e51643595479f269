package coordinator

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// A dead process refuses connections, and whoever sees that buries it at once.
// One that is stopped, or cut off from all, only falls silent, and so does one
// behind a single cut link. What tells them apart is how many hear nothing of it:
//
//	suspects/3/1 ┐ more than half of the other live brokers, and two at least,
//	suspects/3/2 ┘ suspect this life of broker 3: each of them buries it
//
// Nobody buries on its own silence alone: a link that is cut between two brokers
// is their partitions' matter, and the ISR tells it. A suspicion hangs on the
// lease of the broker that has it, and counts for one life alone; a live broker
// that was buried for nothing goes on in another.

const (
	// suspicionTimeout bounds one try to write a suspicion or to bury: it may be on
	// its way to a leader of etcd that is the very broker which is silent.
	suspicionTimeout = 200 * time.Millisecond
	suspicionRetry   = 25 * time.Millisecond
	// condemnersMin is how many brokers must suspect a life before it is ended.
	condemnersMin = 2
)

// suspicions are the lives that this broker hears nothing of.
type suspicions struct {
	wake chan struct{} // holds one signal at most

	mu struct {
		sync.Mutex
		of map[protocol.BrokerID]int64
	}
}

// Suspect tells the others that this broker hears nothing of a life of another
// one, which it had heard of. It does not block, and holds until Trust, or until
// that life is over.
func (c *Cluster) Suspect(id protocol.BrokerID, incarnation int64) {
	c.suspicions.set(func(of map[protocol.BrokerID]int64) { of[id] = incarnation })
}

// Trust takes back what Suspect said. It does not block.
func (c *Cluster) Trust(id protocol.BrokerID) {
	c.suspicions.set(func(of map[protocol.BrokerID]int64) { delete(of, id) })
}

func (s *suspicions) set(change func(map[protocol.BrokerID]int64)) {
	s.mu.Lock()
	change(s.mu.of)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// standing are the suspicions that this broker has. One whose life is over, as the image shows, goes.
func (s *suspicions) standing(im *Image) map[protocol.BrokerID]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.mu.of, func(id protocol.BrokerID, incarnation int64) bool {
		b, _ := im.Broker(id)
		return b.Incarnation != incarnation && im.Revision >= incarnation
	})
	return maps.Clone(s.mu.of)
}

// suspect keeps this broker's suspicions in the store, and buries whom enough
// suspect, until ctx ends.
func (c *Cluster) suspect(ctx context.Context) error {
	for {
		changed := c.Changed()
		im := c.Image()
		var retry <-chan time.Time
		if !c.saySuspects(ctx, im) || !c.buryCondemned(ctx, im) {
			retry = time.After(suspicionRetry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-c.suspicions.wake:
		case <-retry:
		}
	}
}

// saySuspects writes what the image lacks of this broker's suspicions and takes
// away what it has too much. It reports whether it is as it should be.
func (c *Cluster) saySuspects(ctx context.Context, im *Image) bool {
	stand := c.suspicions.standing(im)
	lease := c.leaseIn(im)
	self, done := c.o.Self.ID, true
	for id, incarnation := range stand {
		if said := im.suspects[id][self]; said != incarnation && lease != 0 {
			// Only of a life that goes on: it may have begun another one meanwhile.
			compare := Compare{Key: c.keys.broker(id), ModRevision: incarnation}
			put := PutLeased(c.keys.suspect(id, self), encode(suspectValue{incarnation}), lease)
			done = c.say(ctx, compare, put) && done
		}
	}
	for id, by := range im.suspects {
		if said, ok := by[self]; ok && stand[id] == 0 {
			c.log.Debug("broker is not suspected any more", "broker", id, "incarnation", said)
			done = c.say(ctx, Compare{}, Delete(c.keys.suspect(id, self))) && done
		}
	}
	return done
}

// say makes one change, and waits until the image shows it. Whether it was made
// is not known if it reports false.
func (c *Cluster) say(ctx context.Context, compare Compare, op Op) bool {
	ctx, cancel := context.WithTimeout(ctx, suspicionTimeout)
	defer cancel()
	var compares []Compare
	if compare.Key != "" {
		compares = []Compare{compare}
	}
	ok, rev, err := c.o.Store.Txn(ctx, compares, []Op{op})
	if err != nil {
		return false
	}
	return !ok || c.await(ctx, rev) == nil // refused: the next image says why
}

// buryCondemned ends the lives that enough brokers suspect, if this is one of them.
func (c *Cluster) buryCondemned(ctx context.Context, im *Image) bool {
	done := true
	for id, by := range im.suspects {
		b, live := im.Broker(id)
		suspecting := im.Suspecting(id)
		if !live || by[c.o.Self.ID] != b.Incarnation || !enough(len(suspecting), len(im.brokers)-1) {
			continue
		}
		if c.burySilent(ctx, &b) {
			c.log.Warn("broker is silent; its registration was ended", "broker", id, "incarnation", b.Incarnation, "suspected by", suspecting)
		} else {
			done = false
		}
	}
	return done
}

func (c *Cluster) burySilent(ctx context.Context, b *Broker) bool {
	ctx, cancel := context.WithTimeout(ctx, suspicionTimeout)
	defer cancel()
	if err := c.o.Store.RevokeLease(ctx, b.lease); err != nil {
		return false
	}
	return c.awaitImage(ctx, func(im *Image) bool { now, _ := im.Broker(b.ID); return now.Incarnation != b.Incarnation }) == nil
}

// enough reports whether so many suspecting brokers, of all the others that live, condemn one.
func enough(suspecting, others int) bool {
	return suspecting >= condemnersMin && 2*suspecting > others
}

// Suspecting are the live brokers that suspect a live broker, in order.
func (im *Image) Suspecting(id protocol.BrokerID) []protocol.BrokerID {
	b, live := im.Broker(id)
	var all []protocol.BrokerID
	for by, incarnation := range im.suspects[id] {
		if _, ok := im.Broker(by); ok && live && by != id && incarnation == b.Incarnation {
			all = append(all, by)
		}
	}
	slices.Sort(all)
	return all
}
