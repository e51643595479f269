package coordinator

import (
	"slices"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// several makes brokers 1 to n whose leases do not lapse by themselves.
func several(t *testing.T, n int) ([]*runs, *store.Memory, *clock) {
	s, clock := newMem(t)
	brokers := make([]*runs, n)
	for i := range brokers {
		brokers[i] = join(t, Options{Store: s, Self: broker(protocol.BrokerID(i + 1)), SessionTimeout: short})
	}
	for _, b := range brokers {
		b.eventually(t, func(im *image.Image) bool { return len(im.Brokers()) == n && im.Controller != protocol.NoBroker })
	}
	return brokers, s, clock
}

func (r *runs) suspectedBy(t *testing.T, id protocol.BrokerID, by ...protocol.BrokerID) {
	t.Helper()
	r.eventually(t, func(im *image.Image) bool { return slices.Equal(im.Suspecting(id), by) })
}

// The controller is stopped. All others hear nothing of it, and one of them
// takes its part; its lease still stands.
func TestABrokerThatAllOthersSuspectIsFenced(t *testing.T) {
	brokers, _, _ := alike(t, 3, Options{SessionTimeout: time.Hour}, 30)
	dead := brokers[brokers[0].Image().Controller-1]
	id, epoch := dead.o.Self.ID, dead.BrokerEpoch()
	dead.kill(t)
	for _, b := range brokers {
		if b != dead {
			b.Suspect(id, epoch)
		}
	}
	for _, b := range brokers {
		if b != dead {
			b.eventually(t, func(im *image.Image) bool {
				return im.Controller != protocol.NoBroker && im.Controller != id && len(im.Suspicions()) == 0 &&
					everyPartition(im, func(p *image.Partition) bool {
						return p.Leader != id && p.Leader != protocol.NoBroker && len(p.ISR) == 2
					})
			})
		}
	}
}

// The link between two brokers is cut: each suspects the other, alone, until it is whole again.
func TestOneBrokersSuspicionFencesNobody(t *testing.T) {
	brokers, _, _ := several(t, 3)
	a, b, c := brokers[0], brokers[1], brokers[2]
	one, two := a.BrokerEpoch(), b.BrokerEpoch()
	a.Suspect(2, two)
	b.Suspect(1, one)
	c.suspectedBy(t, 2, 1)
	c.suspectedBy(t, 1, 2)
	a.Trust(2)
	b.Trust(1)
	c.suspectedBy(t, 2)
	c.suspectedBy(t, 1)
	if a.BrokerEpoch() != one || b.BrokerEpoch() != two {
		t.Fatal("a broker was fenced by one that suspected it")
	}
}

// It was slow, not dead: it goes on in a new epoch, in which nobody suspects.
func TestALiveBrokerThatWasSuspectedRegistersAnewAndIsTrusted(t *testing.T) {
	brokers, _, _ := several(t, 3)
	a, b, c := brokers[0], brokers[1], brokers[2]
	was := c.BrokerEpoch()
	a.Suspect(3, was)
	b.Suspect(3, was)
	a.eventually(t, func(im *image.Image) bool {
		now, ok := im.Broker(3)
		return ok && now.Epoch > was && now.PreviousEpoch == was && len(im.Suspicions()) == 0
	})
	now, _ := a.Image().Broker(3)
	a.Suspect(3, was) // heard of late
	b.Suspect(3, was)
	create(t, a, "t", 1)
	if b, _ := a.Image().Broker(3); len(a.Image().Suspicions()) != 0 || b.Epoch != now.Epoch {
		t.Fatalf("an epoch that is over is suspected: %v", a.Image().Suspicions())
	}
}

// A suspicion lives as long as who has it, and comes back with it.
func TestASuspicionIsItsBrokersOwn(t *testing.T) {
	brokers, s, clock := several(t, 3)
	a, b, c := brokers[0], brokers[1], brokers[2]
	a.Suspect(3, c.BrokerEpoch())
	b.suspectedBy(t, 3, 1)

	// Its lease lapses, and with it the others'.
	was := a.BrokerEpoch()
	clock.advance(time.Minute)
	s.Expire()
	a.eventually(t, func(im *image.Image) bool {
		return len(im.Brokers()) == 3 && a.epochIn(im) > was && len(im.Suspicions()) == 0
	})
	now, _ := a.Image().Broker(3)
	a.Suspect(3, now.Epoch)
	b.suspectedBy(t, 3, 1)

	// Nor does it count when it is restarted, and knows nothing of it.
	a.kill(t)
	again := join(t, Options{Store: s, Self: broker(1)})
	again.suspectedBy(t, 3)
	b.Suspect(3, now.Epoch)
	again.suspectedBy(t, 3, 2)
	if b, _ := again.Image().Broker(3); b.Epoch != now.Epoch {
		t.Fatal("a suspicion of an epoch that is over has counted")
	}
}

// The lease of the one that suspects is replaced; what it suspects goes on to be said.
func TestASuspicionIsSaidAgainUnderANewLease(t *testing.T) {
	brokers, _, _ := several(t, 3)
	a, b, c := brokers[0], brokers[1], brokers[2]
	a.Suspect(3, c.BrokerEpoch())
	b.suspectedBy(t, 3, 1)
	was := a.BrokerEpoch()
	noError(t, b.Fence(background(t), 1, was))
	b.eventually(t, func(im *image.Image) bool {
		now, ok := im.Broker(1)
		return ok && now.Epoch > was && slices.Equal(im.Suspecting(3), []protocol.BrokerID{1})
	})
}
