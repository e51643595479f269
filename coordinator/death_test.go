package coordinator

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/coordinator/store/storetest"
	"github.com/lockstep-log/lockstep/protocol"
)

// A child is one of three brokers in a process of its own, which can die as processes do.

const childEnv = "LOCKSTEP_TEST_BROKER"

type childOptions struct {
	Dir     string
	Peers   map[string]string
	Session time.Duration
}

// runChild is broker 3, until its standard input ends.
func runChild() {
	var o childOptions
	if err := json.Unmarshal([]byte(os.Getenv(childEnv)), &o); err != nil {
		panic(err)
	}
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	e, err := etcd.StartEmbedded(ctx, etcd.EmbeddedOptions{Dir: o.Dir, Name: "3", Peers: o.Peers, Logger: log})
	if err != nil {
		panic(err)
	}
	c, err := Open(ctx, Options{Store: e.Store(), Self: broker(3), Logger: log, SessionTimeout: o.Session})
	if err != nil {
		panic(err)
	}
	go func() { panic(c.Run(ctx)) }()
	if err := c.Register(ctx, Registration{}); err != nil {
		panic(err)
	}
	io.Copy(io.Discard, os.Stdin)
}

// startTwoAndChild starts brokers 1 and 2 here and 3 in a process, which is
// controller and has etcd's leader.
func startTwoAndChild(t *testing.T, session time.Duration) (*three, *exec.Cmd) {
	c := &three{t: t, root: t.TempDir(), peers: storetest.FreePeers(t, 3)}
	t.Cleanup(c.stop)
	o, err := json.Marshal(childOptions{c.dir(2), c.peers, session})
	noError(t, err)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+string(o))
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	noError(t, err)
	noError(t, child.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	c.start(0, 1)
	one := c.brokers[0]
	one.eventually(t, func(im *image.Image) bool { return len(im.Brokers()) == 3 })
	for im := one.Image(); im.Controller != 3; im = one.Image() {
		_, _, err := c.members[0].Store().Txn(background(t), nil, []store.Op{store.Delete("/lockstep/controller")})
		noError(t, err)
		one.eventually(t, func(im *image.Image) bool { return im.Controller != protocol.NoBroker })
	}
	server := c.members[0].Server()
	for _, m := range server.Cluster().Members() {
		if m.Name == "3" && server.Leader() != m.ID {
			leader := c.members[c.etcdLeader()].Server()
			noError(t, leader.MoveLeader(background(t), uint64(leader.MemberID()), uint64(m.ID)))
		}
	}
	return c, child
}

// moved reports whether broker 3 leads nothing, is in no ISR, and the two others lead all.
func moved(im *image.Image) bool {
	return everyPartition(im, func(p *image.Partition) bool { return (p.Leader == 1 || p.Leader == 2) && joinedIn(p, 3) == 0 })
}

// The broker dies that is controller and has etcd's leader. Its peers know by
// its refused connections, and fence it, though its lease would stand for long:
// etcd elects a leader, another broker takes the controller's part, and all
// partitions have leaders.
func TestAKilledBrokersPartitionsMove(t *testing.T) {
	t.Parallel()
	c, child := startTwoAndChild(t, time.Hour)
	c.createUntilDone(0, "t", 1000, 3)
	c.brokers[1].eventually(t, func(im *image.Image) bool { return im.PartitionCount() == 1000 })
	dead, _ := c.brokers[0].Image().Broker(3)

	began := time.Now()
	noError(t, child.Process.Signal(syscall.SIGKILL))
	var wg sync.WaitGroup
	for _, b := range c.brokers[:2] {
		wg.Go(func() {
			if err := b.Fence(background(t), 3, dead.Epoch); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("fenced after %v", time.Since(began))
	for _, b := range c.brokers[:2] {
		b.eventually(t, moved)
	}
	t.Logf("all leaders moved after %v", time.Since(began))
}

// The broker that is controller and has etcd's leader is stopped, and refuses
// nothing. The two others hear nothing of it, and that is enough, though its
// lease would stand for long.
func TestASilentBrokersPartitionsMove(t *testing.T) {
	t.Parallel()
	c, child := startTwoAndChild(t, time.Hour)
	c.createUntilDone(0, "t", 100, 3)
	c.brokers[1].eventually(t, func(im *image.Image) bool { return im.PartitionCount() == 100 })
	stopped, _ := c.brokers[0].Image().Broker(3)

	noError(t, child.Process.Signal(syscall.SIGSTOP))
	began := time.Now()
	c.brokers[0].Suspect(3, stopped.Epoch)
	c.brokers[1].Suspect(3, stopped.Epoch)
	for _, b := range c.brokers[:2] {
		b.eventually(t, moved)
	}
	t.Logf("all leaders moved after %v", time.Since(began))
	noError(t, child.Process.Signal(syscall.SIGCONT))
	c.brokers[0].eventually(t, func(im *image.Image) bool {
		b, ok := im.Broker(3)
		return ok && b.PreviousEpoch == stopped.Epoch && len(im.Suspecting(3)) == 0
	})
}

// With one other broker alone, or without anybody to suspect it, a broker that is
// stopped is known by its lease. When it goes on it learns that its registration is over, and registers anew, going on from it.
func TestAStoppedBrokersLeaseLapses(t *testing.T) {
	t.Parallel()
	c, child := startTwoAndChild(t, time.Second)
	c.createUntilDone(0, "t", 10, 3)
	stopped, _ := c.brokers[0].Image().Broker(3)

	began := time.Now()
	noError(t, child.Process.Signal(syscall.SIGSTOP))
	for _, b := range c.brokers[:2] {
		b.eventually(t, moved)
	}
	t.Logf("all leaders moved after %v", time.Since(began))
	noError(t, child.Process.Signal(syscall.SIGCONT))
	c.brokers[0].eventually(t, func(im *image.Image) bool {
		b, ok := im.Broker(3)
		return ok && b.Epoch > stopped.Epoch && b.PreviousEpoch == stopped.Epoch
	})
}
