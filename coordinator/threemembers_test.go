package coordinator

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/coordinator/store/storetest"
	"github.com/lockstep-log/lockstep/protocol"
)

// three are three brokers, each with a member of one etcd in its process.
type three struct {
	t       *testing.T
	root    string
	peers   map[string]string
	members [3]*etcd.Embedded
	brokers [3]*runs
}

func startThree(t *testing.T) *three {
	c := &three{t: t, root: t.TempDir(), peers: storetest.FreePeers(t, 3)}
	t.Cleanup(c.stop)
	c.start(0, 1, 2)
	for _, b := range c.brokers {
		b.eventually(t, func(im *image.Image) bool { return len(im.Brokers()) == 3 && im.Controller != protocol.NoBroker })
	}
	return c
}

func (c *three) dir(i int) string { return filepath.Join(c.root, fmt.Sprint(i+1)) }

func (c *three) startMember(i int) (*etcd.Embedded, error) {
	return etcd.StartEmbedded(background(c.t), etcd.EmbeddedOptions{Dir: c.dir(i), Name: fmt.Sprint(i + 1), Peers: c.peers, Logger: quiet})
}

// start starts brokers, which need each other to start.
func (c *three) start(which ...int) {
	c.t.Helper()
	var wg sync.WaitGroup
	for _, i := range which {
		wg.Go(func() {
			var err error
			if c.members[i], err = c.startMember(i); err != nil {
				c.t.Error(err)
			}
		})
	}
	wg.Wait()
	if c.t.Failed() {
		c.t.FailNow()
	}
	for _, i := range which {
		c.brokers[i] = openCluster(c.t, Options{Store: c.members[i].Store(), Self: broker(protocol.BrokerID(i + 1)), SessionTimeout: time.Second})
		noError(c.t, c.brokers[i].Register(background(c.t), Registration{}))
	}
}

// kill ends brokers and their members as a crash would: their registrations stay.
func (c *three) kill(which ...int) {
	var wg sync.WaitGroup
	for _, i := range which {
		if c.members[i] == nil {
			continue
		}
		if c.brokers[i] != nil {
			c.brokers[i].kill(c.t)
		}
		wg.Go(func() {
			c.members[i].Server().HardStop() // it hands nothing over
			if err := c.members[i].Close(); err != nil {
				c.t.Error(err)
			}
			c.members[i] = nil
		})
	}
	wg.Wait()
}

func (c *three) stop() { c.kill(0, 1, 2) }

// etcdLeader is the broker whose member leads etcd.
func (c *three) etcdLeader() int {
	for i, m := range c.members {
		if m != nil && m.Server().Leader() == m.Server().MemberID() {
			return i
		}
	}
	c.t.Fatal("etcd has no leader")
	return -1
}

// createUntilDone creates a topic, over the time in which the store is gone.
func (c *three) createUntilDone(i int, name string, partitions int32, rf int16) *image.Topic {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		topic, err := c.brokers[i].CreateTopic(ctx, plan.NewTopic{Name: name, Partitions: partitions, ReplicationFactor: rf}, false)
		cancel()
		if err == nil {
			return topic
		}
		if errors.Is(err, refusal.ErrTopicExists) {
			topic, _ = c.brokers[i].Image().Topic(name)
			return topic
		}
		if time.Now().After(deadline) {
			c.t.Fatal(err)
		}
	}
}

// Without a quorum metadata stands still and nothing else does; it is said, and
// when the quorum is back elections go on.
func TestWithoutAQuorumElectionsWait(t *testing.T) {
	t.Parallel()
	c := startThree(t)
	topic := c.createUntilDone(0, "t", 3, 3)
	last := c.brokers[0]
	last.eventually(t, func(im *image.Image) bool { return im.PartitionCount() == 3 })
	saysGone := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			if since, gone := last.StoreGone(); gone == want && since.IsZero() != want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("it is not said whether the store is gone: want %v", want)
			}
		}
	}
	saysGone(false)
	c.kill(1, 2)
	saysGone(true)
	im := last.Image()
	if im.PartitionCount() != 3 {
		t.Fatalf("the image went with the store: %+v", im)
	}
	p := im.Topics()[0].Partitions[0]
	self := asMember(1, last)
	if p.Leader == 1 && alterISR(last, protocol.TopicPartition{Topic: topic.ID}, protocol.ISRChange{ISR: protocol.Members{self}}) {
		t.Fatal("the ISR changed without a quorum")
	}
	c.start(1)
	last.eventually(t, func(im *image.Image) bool {
		return everyPartition(im, func(p *image.Partition) bool { return p.Leader == 1 || p.Leader == 2 })
	})
	saysGone(false)
}

// A machine is replaced: its member must not come back under its name with an
// empty directory before somebody has removed the old one.
func TestAMemberThatLostItsDirectoryIsReplaced(t *testing.T) {
	t.Parallel()
	c := startThree(t)
	c.createUntilDone(0, "t", 3, 3)
	wantError(t, c.brokers[0].ReplaceMember(background(t), "3"), refusal.ErrInvalidRequest) // it lives
	wantError(t, c.brokers[0].ReplaceMember(background(t), "4"), refusal.ErrUnknownBroker)
	c.kill(2)
	_, err := etcd.StartEmbedded(background(t), etcd.EmbeddedOptions{Dir: c.dir(2), Logger: quiet})
	wantError(t, err, etcd.ErrOtherMembers) // alone, it would never have a quorum
	noError(t, os.RemoveAll(c.dir(2)))

	_, err = c.startMember(2)
	wantError(t, err, etcd.ErrMemberLost)
	if !strings.Contains(err.Error(), "lockstep cluster brokers --replace 3") {
		t.Fatalf("the refusal does not say what to do: %v", err)
	}
	for _, i := range []int{0, 1} { // twice: it may break off, and be asked of another
		noError(t, c.brokers[i].ReplaceMember(background(t), "3"))
	}
	c.start(2)
	c.brokers[2].eventually(t, func(im *image.Image) bool { _, ok := im.Topic("t"); return ok && len(im.Brokers()) == 3 })

	// It counts for the quorum like any other, once it has caught up.
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		members, err := c.members[0].Store().Members(background(t))
		if err == nil && !slices.ContainsFunc(members, func(m etcd.Member) bool { return m.Learner }) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new member gets no vote: %+v, %v", members, err)
		}
	}
	c.kill(0)
	c.createUntilDone(2, "u", 1, 1)
}
