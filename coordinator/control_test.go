package coordinator

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/protocol"
)

// everyPartition reports whether all partitions are as wanted.
func everyPartition(im *image.Image, good func(*image.Partition) bool) bool {
	for _, t := range im.Topics() {
		for i := range t.Partitions {
			if !good(&t.Partitions[i]) {
				return false
			}
		}
	}
	return true
}

// led reports whether broker id leads a partition in this broker epoch.
func led(id protocol.BrokerID, epoch protocol.BrokerEpoch) func(*image.Partition) bool {
	return func(p *image.Partition) bool {
		return p.Leader == id && p.ISR[0].ID == id && p.ISR[0].BrokerEpoch == epoch
	}
}

// A lone broker that was killed leads everything again in its new epoch, in few transactions.
func TestALoneBrokerLeadsEverythingAgainAfterAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "etcd")
	start := func() (*etcd.Embedded, *runs, time.Duration) {
		e := startEmbedded(t, etcd.EmbeddedOptions{Dir: dir})
		c := openCluster(t, Options{Store: e.Store(), Self: broker(1)})
		began := time.Now()
		noError(t, c.Register(background(t), Registration{}))
		c.eventually(t, func(im *image.Image) bool { return everyPartition(im, led(1, c.BrokerEpoch())) })
		return e, c, time.Since(began)
	}
	e, c, _ := start()
	create(t, c, "big", 10_000)
	for i := range 200 {
		create(t, c, fmt.Sprint("small-", i), 5)
	}
	before := c.Image().Revision
	c.kill(t)
	noError(t, e.Close())

	e, c, took := start()
	t.Logf("11,000 partitions took %v and %d revisions", took, c.Image().Revision-before)
	if used := c.Image().Revision - before; used > 150 {
		t.Errorf("%d transactions", used)
	}
	c.leave(t)
	noError(t, e.Close())
}

// alike makes brokers 1 to n of one cluster, and a topic that each has.
func alike(t *testing.T, n int, o Options, partitions int32) ([]*runs, *store.Memory, *image.Topic) {
	s, _ := newMem(t)
	o.Store = s
	brokers := make([]*runs, n)
	for i := range brokers {
		o.Self = broker(protocol.BrokerID(i + 1))
		brokers[i] = join(t, o)
	}
	for _, b := range brokers {
		b.eventually(t, func(im *image.Image) bool { return len(im.Brokers()) == n && im.Controller != protocol.NoBroker })
	}
	topic, err := brokers[0].CreateTopic(background(t), plan.NewTopic{Name: "t", Partitions: partitions, ReplicationFactor: int16(n)}, false)
	noError(t, err)
	for _, b := range brokers {
		b.eventually(t, func(im *image.Image) bool { return im.PartitionCount() == int(partitions) })
	}
	return brokers, s, topic
}

func TestTheControllerElectsWhenABrokerIsFenced(t *testing.T) {
	brokers, _, _ := alike(t, 3, Options{}, 300)
	a, b, dead := brokers[0], brokers[1], brokers[2]
	dead.kill(t)
	noError(t, a.Fence(background(t), 3, dead.Image().Brokers()[2].Epoch))
	for _, c := range []*runs{a, b} {
		c.eventually(t, func(im *image.Image) bool {
			return everyPartition(im, func(p *image.Partition) bool { return (p.Leader == 1 || p.Leader == 2) && len(p.ISR) == 2 })
		})
	}
}

// A peer that was cut off takes a broker for dead. It lives, says that it goes
// on from its last epoch, and loses nothing by it but its leaderships.
func TestALiveBrokerThatWasFencedRegistersAnew(t *testing.T) {
	brokers, _, _ := alike(t, 2, Options{}, 4)
	a, b := brokers[0], brokers[1]
	was := b.BrokerEpoch()
	noError(t, a.Fence(background(t), 2, was-1)) // of another epoch: that one is over
	if b.BrokerEpoch() != was {
		t.Fatal("a broker was fenced that nobody took for dead")
	}
	noError(t, a.Fence(background(t), 2, was))
	a.eventually(t, func(im *image.Image) bool {
		now, ok := im.Broker(2)
		return ok && now.Epoch > was && now.PreviousEpoch == was
	})
	noError(t, a.Fence(background(t), 2, was)) // too late
	a.eventually(t, func(im *image.Image) bool {
		now, ok := im.Broker(2)
		return ok && everyPartition(im, func(p *image.Partition) bool {
			return p.Leader != protocol.NoBroker && (len(p.ISR) == 1 && p.ISR[0].ID == 1 || joinedIn(p, 2) == now.Epoch)
		})
	})
}

// joinedIn is the broker epoch in which a broker came into sync; 0: it is not in the ISR.
func joinedIn(p *image.Partition, id protocol.BrokerID) protocol.BrokerEpoch {
	if at := p.ISR.Index(id); at >= 0 {
		return p.ISR[at].BrokerEpoch
	}
	return 0
}

// asMember is a broker in its present epoch.
func asMember(id protocol.BrokerID, r *runs) protocol.Member {
	return protocol.Member{ID: id, BrokerEpoch: r.BrokerEpoch()}
}

// The controller itself leaves: it hands over what it leads before it goes.
func TestABrokerThatLeavesHandsOver(t *testing.T) {
	brokers, s, _ := alike(t, 3, Options{}, 6)
	controller := brokers[0].Image().Controller
	c := brokers[controller-1]
	noError(t, c.Leave(background(t)))
	c.eventually(t, func(im *image.Image) bool {
		return everyPartition(im, func(p *image.Partition) bool { return p.Leader != controller && p.Leader != protocol.NoBroker })
	})
	if im := c.Image(); im.Controller != controller {
		t.Fatal("it was not the one that held the elections")
	}
	c.leave(t)
	other := brokers[controller%3]
	other.eventually(t, func(im *image.Image) bool {
		return im.Controller != controller && im.Controller != protocol.NoBroker
	})
	if kv, _, err := s.Get(background(t), fmt.Sprint("/lockstep/leaving/", controller)); err != nil || kv.ModRevision != 0 {
		t.Fatalf("it is still said to leave: %+v, %v", kv, err)
	}
}

// A whole cluster is shut down cleanly: everyone goes on from what it was.
func TestAfterACleanShutdownTheISRStands(t *testing.T) {
	brokers, s, _ := alike(t, 2, Options{}, 4)
	for _, b := range brokers {
		b.kill(t) // what follows a clean shutdown is said at the next start
	}
	for i, b := range brokers {
		before, _ := b.Image().Broker(protocol.BrokerID(i + 1))
		c := openCluster(t, Options{Store: s, Self: broker(protocol.BrokerID(i + 1))})
		t.Cleanup(func() { c.leave(t) })
		noError(t, c.Register(background(t), Registration{PreviousEpoch: before.Epoch}))
		brokers[i] = c
	}
	one, two := brokers[0].BrokerEpoch(), brokers[1].BrokerEpoch()
	brokers[0].eventually(t, func(im *image.Image) bool {
		return everyPartition(im, func(p *image.Partition) bool {
			return p.Leader == p.Replicas[0] && joinedIn(p, 1) == one && joinedIn(p, 2) == two
		})
	})
}

// A broker whose disk was replaced is told from one that only restarted, and a
// log that is gone from one that is there.
func TestABrokerWithoutItsLogsDoesNotLead(t *testing.T) {
	s, clock := newMem(t)
	c := openCluster(t, Options{Store: s, Self: broker(1)})
	noError(t, c.Register(background(t), Registration{}))
	topic := create(t, c, "t", 2)
	first := protocol.TopicPartition{Topic: topic.ID}
	c.kill(t)

	c = openCluster(t, Options{Store: s, Self: broker(1)})
	noError(t, c.Register(background(t), Registration{Lost: []protocol.TopicPartition{first}}))
	c.eventually(t, func(im *image.Image) bool {
		_, p, _ := im.Partition(first)
		return p.Leader == protocol.NoBroker && im.Topics()[0].Partitions[1].Leader == 1
	})
	// An epoch that goes on from this one has not found it either.
	clock.advance(time.Minute)
	s.Expire()
	c.eventually(t, func(im *image.Image) bool {
		b, ok := im.Broker(1)
		return ok && b.PreviousEpoch != 0 && len(b.Lost) == 1 && led(1, b.Epoch)(&im.Topics()[0].Partitions[1])
	})
	if p := c.partition(t, first); p.Leader != protocol.NoBroker || p.ISR[0].ID != 1 {
		t.Fatalf("partition %+v", p)
	}
	c.kill(t)
	clock.advance(time.Minute)

	another := broker(1)
	another.DirectoryID = "new"
	d := join(t, Options{Store: s, Self: another})
	if b, _ := d.Image().Broker(1); b.DirectorySince != b.Epoch {
		t.Fatalf("broker %+v", b)
	}
	d.eventually(t, func(im *image.Image) bool {
		return everyPartition(im, func(p *image.Partition) bool { return p.Leader == protocol.NoBroker && p.ISR[0].ID == 1 })
	})
}

// Metadata from before there were broker epochs in it.
func TestAStoreOfTheOlderLayoutLoads(t *testing.T) {
	s, _ := newMem(t)
	id := "AAAAAAAAAAAAAAAAAAAAAA"
	for key, value := range map[string]string{
		"format":                  `{"version":1,"clusterId":"c"}`,
		"brokers/1":               `{"endpoints":[],"directory":"dir-b"}`,
		"topics/t":                `{"name":"t","id":"` + id + `","replicas":[[1],[1]]}`,
		"partitions/" + id + "/1": `{"leader":1,"leaderEpoch":4,"isr":[1],"partitionEpoch":7}`,
	} {
		_, _, err := s.Txn(background(t), nil, []store.Op{store.Put("/lockstep/"+key, []byte(value))})
		noError(t, err)
	}
	c := join(t, Options{Store: s, Self: broker(1)})
	c.eventually(t, func(im *image.Image) bool { return everyPartition(im, led(1, c.BrokerEpoch())) })
	if p := c.Image().Topics()[0].Partitions[1]; p.LeaderEpoch != 5 || p.PartitionEpoch != 8 {
		t.Fatalf("partition %+v", p)
	}
}

// Leadership that went elsewhere comes back to the first replica, by itself or when asked for.
func TestPreferredReplicasLeadAgain(t *testing.T) {
	brokers, _, topic := alike(t, 2, Options{PreferredInterval: 10 * time.Millisecond}, 2)
	c := brokers[0]
	id := protocol.TopicPartition{Topic: topic.ID}
	one, two := asMember(1, brokers[0]), asMember(2, brokers[1])
	leader := brokers[topic.Partitions[0].Leader-1]
	leader.Resign(id, leader.BrokerEpoch())
	var moved image.Partition
	c.eventually(t, func(im *image.Image) bool {
		_, p, _ := im.Partition(id)
		moved = *p
		return p.Leader != topic.Partitions[0].Leader && p.Leader != protocol.NoBroker
	})
	back := protocol.Members{one}
	if leader.o.Self.ID == 2 {
		back = protocol.Members{two}
	}
	now := brokers[moved.Leader-1]
	now.eventually(t, func(im *image.Image) bool {
		_, p, _ := im.Partition(id)
		return p.PartitionEpoch == moved.PartitionEpoch
	})
	if !alterISR(now, id, protocol.ISRChange{LeaderEpoch: moved.LeaderEpoch, PartitionEpoch: moved.PartitionEpoch, ISR: protocol.Members{one, two}, Added: back}) {
		t.Fatal("it was not taken in again")
	}
	c.eventually(t, func(im *image.Image) bool { _, p, _ := im.Partition(id); return p.Leader == p.Replicas[0] })
}
