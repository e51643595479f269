package coordinator

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// losing is a store whose next transactions are lost, as on the way to a leader
// of etcd that has died: some of them were carried out.
type losing struct {
	store.Store

	mu struct {
		sync.Mutex
		next []fate
	}
}

// fate is what becomes of a transaction.
type fate struct {
	made bool   // it was carried out, though nobody says so
	then func() // what somebody else does then
}

func (s *losing) lose(next ...fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.next = next
}

func (s *losing) Txn(ctx context.Context, compares []store.Compare, ops []store.Op) (bool, int64, error) {
	s.mu.Lock()
	if len(s.mu.next) == 0 || len(ops) == 0 {
		s.mu.Unlock()
		return s.Store.Txn(ctx, compares, ops)
	}
	f := s.mu.next[0]
	s.mu.next = s.mu.next[1:]
	s.mu.Unlock()
	if f.made {
		if _, _, err := s.Store.Txn(ctx, compares, ops); err != nil {
			return false, 0, err
		}
	}
	if f.then != nil {
		f.then()
	}
	return false, 0, store.ErrUnavailable
}

// losingPair is two brokers of one cluster, of which the first loses what it is told to.
func losingPair(t *testing.T) (a, b *runs, s *losing) {
	mem, _ := newMem(t)
	s = &losing{Store: mem}
	return join(t, Options{Store: s, Self: broker(1)}), join(t, Options{Store: mem, Self: broker(2), PreferredInterval: -1}), s
}

// What was asked for once is done once, whether the try that was lost was carried out or not.
func TestALostChangeIsMadeOnce(t *testing.T) {
	a, _, s := losingPair(t)
	ctx := background(t)
	for _, fates := range [][]fate{{{made: false}}, {{made: true}}, {{}, {}, {made: true}}} {
		s.lose(fates...)
		made := create(t, a, "t", 2)
		s.lose(fates...)
		noError(t, a.CreatePartitions(ctx, "t", 5, nil, false))
		s.lose(fates...)
		noError(t, a.AlterTopicConfigs(ctx, "t", ConfigChange{Set: map[string]string{"flush.ms": "7"}}))
		s.lose(fates...)
		noError(t, a.AlterClusterConfigs(ctx, ConfigChange{Set: map[string]string{"log.retention.ms": "9"}, ReplaceAll: true}))
		if now, ok := a.Image().Topic("t"); !ok || now.ID != made.ID || len(now.Partitions) != 5 || now.Configs["flush.ms"] != "7" {
			t.Fatalf("topic %+v", now)
		}
		s.lose(fates...)
		noError(t, a.DeleteTopic(ctx, "t"))
		if _, ok := a.Image().Topic("t"); ok {
			t.Fatal("the topic is still there")
		}
		id := create(t, a, "t", 1).ID
		s.lose(fates...)
		noError(t, a.DeleteTopicByID(ctx, id))
	}
}

// Somebody else is there between the try that was lost and the next.
func TestALostChangeDoesNotUndoAnothers(t *testing.T) {
	a, b, s := losingPair(t)
	ctx := background(t)
	alter := func(value string) func() {
		return func() {
			noError(t, b.AlterTopicConfigs(ctx, "t", ConfigChange{Set: map[string]string{"flush.ms": value}}))
		}
	}
	// It was made, and changed since: it is not made again, and not taken for another's.
	s.lose(fate{made: true, then: func() {
		b.eventually(t, func(im *image.Image) bool { _, ok := im.Topic("t"); return ok })
		alter("1")()
	}})
	made := create(t, a, "t", 1)
	if made.Configs["flush.ms"] != "1" {
		t.Fatalf("topic %+v", made)
	}
	// It was not made, and another's came in between: it comes on top of that.
	s.lose(fate{then: alter("2")})
	noError(t, a.AlterTopicConfigs(ctx, "t", ConfigChange{Set: map[string]string{"retention.ms": "5"}}))
	if now, _ := a.Image().Topic("t"); now.Configs["flush.ms"] != "2" || now.Configs["retention.ms"] != "5" {
		t.Fatalf("configs %v", now.Configs)
	}
	// Another has made a topic of the name: that one stands.
	s.lose(fate{then: func() {
		_, err := b.CreateTopic(ctx, plan.NewTopic{Name: "u", Partitions: 1, ReplicationFactor: 1}, false)
		noError(t, err)
	}})
	_, err := a.CreateTopic(ctx, plan.NewTopic{Name: "u", Partitions: 1, ReplicationFactor: 1}, false)
	wantError(t, err, refusal.ErrTopicExists)
}

func TestALostReassignmentIsMadeOnce(t *testing.T) {
	a, b, s := losingPair(t)
	for _, made := range []bool{false, true} {
		name := map[bool]string{false: "u", true: "v"}[made]
		topic, err := a.CreateTopic(background(t), plan.NewTopic{Name: name, Partitions: -1, ReplicationFactor: -1,
			Assignment: map[int32][]protocol.BrokerID{0: {1}}}, false)
		noError(t, err)
		id := protocol.TopicPartition{Topic: topic.ID}
		b.eventually(t, func(im *image.Image) bool { _, ok := im.Topic(name); return ok })
		for _, target := range [][]protocol.BrokerID{{1, 2}, nil} {
			s.lose(fate{made: made})
			for id, err := range a.AlterReassignments(background(t), map[protocol.TopicPartition][]protocol.BrokerID{id: target}) {
				if err != nil {
					t.Errorf("%v to %v, of which the first try was made: %v: %v", id, target, made, err)
				}
			}
		}
	}
}

// A store that is gone for good is waited for as long as one was told to, and no longer.
func TestAChangeEndsWithItsDeadline(t *testing.T) {
	s, _ := newMem(t)
	a := join(t, Options{Store: s, Self: broker(1)})
	s.SetDown(true)
	defer s.SetDown(false)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := a.CreateTopic(ctx, plan.NewTopic{Name: "t", Partitions: 1, ReplicationFactor: 1}, false)
	wantError(t, err, store.ErrUnavailable)
}
