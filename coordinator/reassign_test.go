package coordinator

import (
	"slices"
	"sync"
	"testing"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

type targets = map[protocol.TopicPartition][]protocol.BrokerID

func TestAReassignmentIsBegunWatchedAndCancelled(t *testing.T) {
	a, b, id := twoBrokers(t)
	s := a.o.Store.(*store.Memory)
	c := join(t, Options{Store: s, Self: broker(3)})
	b.eventually(t, func(im *image.Image) bool { return live(im, 3) && im.PartitionCount() == 1 })
	ctx := background(t)

	for what, want := range map[string]struct {
		target []protocol.BrokerID
		err    error
	}{
		"nobody":         {[]protocol.BrokerID{}, refusal.ErrInvalidReplicaAssignment},
		"a stranger":     {[]protocol.BrokerID{1, 9}, refusal.ErrInvalidReplicaAssignment},
		"a broker twice": {[]protocol.BrokerID{1, 1}, refusal.ErrInvalidReplicaAssignment},
		"no target":      {nil, refusal.ErrNoReassignment},
	} {
		if err := b.AlterReassignments(ctx, targets{id: want.target})[id]; err == nil {
			t.Errorf("%s was taken", what)
		} else {
			wantError(t, err, want.err)
		}
	}
	none := protocol.TopicPartition{Topic: id.Topic, Index: 7}
	wantError(t, b.AlterReassignments(ctx, targets{none: {1}})[none], refusal.ErrUnknownPartition)

	noError(t, b.AlterReassignments(ctx, targets{id: {3, 2}})[id])
	p := b.partition(t, id)
	if !slices.Equal(p.Replicas, []protocol.BrokerID{3, 2, 1}) || !slices.Equal(p.Adding, []protocol.BrokerID{3}) || !slices.Equal(p.Removing, []protocol.BrokerID{1}) {
		t.Fatalf("partition %+v", p)
	}
	noError(t, b.AlterReassignments(ctx, targets{id: nil})[id])
	if p = b.partition(t, id); !slices.Equal(p.Replicas, []protocol.BrokerID{2, 1}) || len(p.Adding)+len(p.Removing) != 0 {
		t.Fatalf("partition %+v", p)
	}

	// Begun again, it ends when the leader has taken the new one in.
	noError(t, b.AlterReassignments(ctx, targets{id: {3}})[id])
	a.eventually(t, func(im *image.Image) bool { return im.Revision >= b.Image().Revision })
	p = a.partition(t, id)
	one, two, three := asMember(1, a), asMember(2, b), asMember(3, c)
	if !alterISR(a, id, protocol.ISRChange{LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, ISR: protocol.Members{one, two, three}, Added: protocol.Members{three}}) {
		t.Fatal("the new replica was not taken in")
	}
	a.eventually(t, func(im *image.Image) bool {
		_, p, _ := im.Partition(id)
		return p.Leader == 3 && slices.Equal(p.Replicas, []protocol.BrokerID{3}) && slices.Equal(p.ISR.IDs(), p.Replicas) && len(p.Removing) == 0
	})

	// It outlives settings that change and partitions that come.
	noError(t, a.CreatePartitions(ctx, "t", 2, nil, false))
	noError(t, a.AlterTopicConfigs(ctx, "t", ConfigChange{Set: map[string]string{"flush.ms": "1"}}))
	if p = a.partition(t, id); p.Leader != 3 || len(p.Replicas) != 1 {
		t.Fatalf("partition %+v", p)
	}
	if next := a.Image().Topics()[0].Partitions[1]; len(next.Replicas) != 1 {
		t.Fatalf("new partition %+v", next)
	}
}

func TestElectionsThatAreAskedForSayWhatCameOfThem(t *testing.T) {
	a, b, id := twoBrokers(t)
	ctx := background(t)
	wantError(t, a.ElectLeaders(ctx, []protocol.TopicPartition{id}, true)[id], refusal.ErrElectionNotNeeded)
	if all := a.ElectLeaders(ctx, nil, true); len(all) != 0 {
		t.Fatalf("elections that were not needed: %v", all)
	}
	// 2 leads while 1 is out of sync, and 1 is preferred.
	a.Resign(id, a.BrokerEpoch())
	b.eventually(t, func(im *image.Image) bool { _, p, ok := im.Partition(id); return ok && p.Leader == 2 })
	wantError(t, a.ElectLeaders(ctx, []protocol.TopicPartition{id}, true)[id], refusal.ErrPreferredNotAvailable)
	p := b.partition(t, id)
	one, two := asMember(1, a), asMember(2, b)
	if !alterISR(b, id, protocol.ISRChange{LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, ISR: protocol.Members{one, two}, Added: protocol.Members{one}}) {
		t.Fatal("1 was not taken in")
	}
	all := b.ElectLeaders(ctx, nil, true)
	if err, ok := all[id]; !ok || err != nil {
		t.Fatalf("elections: %v", all)
	}
	if p := b.partition(t, id); p.Leader != 1 {
		t.Fatalf("partition %+v", p)
	}
}

// Leader, controller and operators change one partition at once. Each change
// was decided from the state that it followed: the epochs count them all, and
// the state is never one that nobody decided.
func TestWhoeverChangesAPartitionAtOnceTakesTurns(t *testing.T) {
	a, b, id := twoBrokers(t)
	s := a.o.Store.(*store.Memory)
	one, two := asMember(1, a), asMember(2, b)
	ctx := background(t)
	began := s.Since("/lockstep/partitions/", 1).Revision
	var done int32
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { // the leader, whoever it is, in and out
			for i := range 50 {
				for _, c := range []*runs{a, b} {
					p := c.partition(t, id)
					ch := protocol.ISRChange{LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, ISR: protocol.Members{one, two}}
					for _, m := range ch.ISR {
						if !p.InSync(m.ID) {
							ch.Added = append(ch.Added, m)
						}
					}
					if i%2 == 0 {
						ch.ISR, ch.Added = protocol.Members{asMember(c.o.Self.ID, c)}, nil
					}
					if alterISR(c, id, ch) {
						mu.Lock()
						done++
						mu.Unlock()
					}
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			a.AlterReassignments(ctx, targets{id: {protocol.BrokerID(1 + i%2), protocol.BrokerID(2 - i%2)}})
			b.ElectLeaders(ctx, []protocol.TopicPartition{id}, true)
		}
	})
	wg.Wait()
	changes := 0
	last := store.PartitionValue{Leader: 1, ISR: []protocol.BrokerID{1, 2}, PartitionEpoch: 0}
	for _, e := range s.Since("/lockstep/partitions/", began+1).Events {
		v, err := store.Decode[store.PartitionValue](e.KV)
		noError(t, err)
		changes++
		if v.PartitionEpoch != last.PartitionEpoch+1 || v.LeaderEpoch < last.LeaderEpoch || v.Leader != last.Leader && v.LeaderEpoch == last.LeaderEpoch ||
			len(v.ISR) == 0 || !slices.Contains(v.ISR, v.Leader) || len(v.Joined) != len(v.ISR) {
			t.Fatalf("%+v came after %+v", v, last)
		}
		last = v
	}
	t.Logf("%d changes, %d of the leader's", changes, done)
	if done == 0 {
		t.Fatal("no change of the leader's was taken")
	}
}

// A controller that was cut off decides from what it last saw. Nothing that it
// decides is taken, where something has happened since.
func TestWhoOnlyBelievesToBeControllerChangesNothing(t *testing.T) {
	a, b, id := twoBrokers(t)
	stale := a.Image()
	if !alterISR(a, id, protocol.ISRChange{ISR: protocol.Members{asMember(1, a)}}) {
		t.Fatal("the ISR was not changed")
	}
	b.eventually(t, func(im *image.Image) bool { return im.Revision >= a.Image().Revision })
	was := b.partition(t, id)
	fold := image.NewFold(a.keys, stale)
	fold.Add(store.Event{KV: store.KeyValue{Key: a.keys.Broker(1)}, Deleted: true}) // it takes 1 for dead
	old, err := fold.Image(stale.Revision)
	noError(t, err)
	if a.elect(background(t), old, plan.Candidates(nil, old), false) {
		t.Fatal("it is said to be done")
	}
	if now := b.partition(t, id); now.PartitionEpoch != was.PartitionEpoch || now.Leader != 1 {
		t.Fatalf("partition %+v", now)
	}
}
