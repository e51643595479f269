package coordinator

import (
	"context"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// short makes a session's beats quick. Leases lapse by the test's clock alone.
const short = 40 * time.Millisecond

func live(im *image.Image, id protocol.BrokerID) bool {
	_, ok := im.Broker(id)
	return ok
}

func TestABrokerThatLeavesIsGoneAtOnce(t *testing.T) {
	s, _ := newMem(t)
	a := join(t, Options{Store: s, Self: broker(1)})
	b := openCluster(t, Options{Store: s, Self: broker(2)})
	noError(t, b.Register(background(t), Registration{}))
	a.eventually(t, func(im *image.Image) bool { return live(im, 2) })
	b.leave(t)
	a.eventually(t, func(im *image.Image) bool { return !live(im, 2) })
}

func TestTheControllersLeaseIsTakenOverWhenItEnds(t *testing.T) {
	s, _ := newMem(t)
	a := openCluster(t, Options{Store: s, Self: broker(1)})
	noError(t, a.Register(background(t), Registration{}))
	a.eventually(t, func(im *image.Image) bool { return im.Controller == 1 })
	b := join(t, Options{Store: s, Self: broker(2)})
	if got := b.Image().Controller; got != 1 {
		t.Fatalf("controller %d", got)
	}
	a.leave(t)
	b.eventually(t, func(im *image.Image) bool { return im.Controller == 2 })
}

func TestABrokerWhoseLeaseLapsedRegistersAgain(t *testing.T) {
	s, clock := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1), SessionTimeout: short})
	before, _ := c.Image().Broker(1)
	clock.advance(time.Minute)
	s.Expire()
	c.eventually(t, func(im *image.Image) bool {
		now, ok := im.Broker(1)
		return ok && now.Epoch > before.Epoch && im.Controller == 1
	})
}

func TestABrokerWhoseKeyWasDeletedRegistersAgain(t *testing.T) {
	s, _ := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1)})
	before, _ := c.Image().Broker(1)
	_, _, err := s.Txn(background(t), nil, []store.Op{store.Delete("/lockstep/brokers/1")})
	noError(t, err)
	c.eventually(t, func(im *image.Image) bool {
		now, ok := im.Broker(1)
		return ok && now.Epoch > before.Epoch && im.Controller == 1
	})
}

// A killed broker's lease still stands when it starts again on its directory.
func TestARestartedBrokerTakesItsRegistrationOver(t *testing.T) {
	s, _ := newMem(t)
	a := openCluster(t, Options{Store: s, Self: broker(1)})
	noError(t, a.Register(background(t), Registration{}))
	before, _ := a.Image().Broker(1)
	a.kill(t)

	b := join(t, Options{Store: s, Self: broker(1)})
	now, _ := b.Image().Broker(1)
	if now.Epoch <= before.Epoch {
		t.Fatalf("broker epoch %d after %d", now.Epoch, before.Epoch)
	}
	b.eventually(t, func(im *image.Image) bool { return im.Controller == 1 })
}

func TestTwoBrokersWithOneIDAreTold(t *testing.T) {
	s, clock := newMem(t)
	a := join(t, Options{Store: s, Self: broker(1)})
	was, _ := a.Image().Broker(1)

	stranger := broker(1)
	stranger.DirectoryID = "another"
	b := openCluster(t, Options{Store: s, Self: stranger, SessionTimeout: short})
	defer b.leave(t)
	wantError(t, b.Register(background(t), Registration{}), ErrBrokerIDTaken)
	if now, _ := a.Image().Broker(1); now.Epoch != was.Epoch {
		t.Fatal("the first broker was disturbed")
	}

	// Once the first is gone the second may have the id.
	a.kill(t)
	clock.advance(time.Minute)
	noError(t, b.Register(background(t), Registration{}))
}

func TestNothingWaitsForAClusterThatHasEnded(t *testing.T) {
	s, _ := newMem(t)
	c := openCluster(t, Options{Store: s, Self: broker(1)})
	noError(t, c.Register(background(t), Registration{}))
	c.leave(t)
	wantError(t, c.Register(background(t), Registration{}), ErrClosed)
	_, err := c.CreateTopic(background(t), plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1}, false)
	if err == nil {
		t.Fatal("created")
	}
	noError(t, c.Close(background(t)))
}

func TestRunEndsWithItsContext(t *testing.T) {
	s, _ := newMem(t)
	c, err := Open(background(t), Options{Store: s, Self: broker(1), Logger: quiet})
	noError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	noError(t, c.Register(background(t), Registration{}))
	cancel()
	noError(t, <-done)
	noError(t, c.Close(background(t)))
	all, _, err := s.List(background(t), "/lockstep/brokers/")
	noError(t, err)
	if len(all) != 0 {
		t.Fatalf("still registered: %v", all)
	}
}
