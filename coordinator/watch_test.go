package coordinator

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

func TestAStoreThatWasGoneIsCaughtUpWith(t *testing.T) {
	s, _ := newMem(t)
	a := join(t, Options{Store: s, Self: broker(1)})
	b := join(t, Options{Store: s, Self: broker(2)})
	create(t, a, "before", 1)

	s.SetDown(true)
	brief, cancel := context.WithTimeout(background(t), short)
	defer cancel()
	_, err := a.CreateTopic(brief, plan.NewTopic{Name: "x", Partitions: 1, ReplicationFactor: 1}, false)
	wantError(t, err, store.ErrUnavailable)
	_, err = a.AllocateProducerIDs(brief, 1)
	wantError(t, err, store.ErrUnavailable)
	if _, ok := a.Image().Topic("before"); !ok {
		t.Fatal("the image went with the store")
	}

	s.SetDown(false)
	create(t, a, "after", 1)
	b.eventually(t, func(im *image.Image) bool { _, ok := im.Topic("after"); return ok })
}

// Seen in chaos: two brokers of three started on slow disks, etcd changed its
// leader while one read the metadata, and that broker ended.
func TestAStartWaitsForAStoreThatDoesNotAnswerYet(t *testing.T) {
	s, _ := newMem(t)
	join(t, Options{Store: s, Self: broker(1)})
	s.SetDown(true)
	opened := make(chan error, 1)
	go func() {
		c, err := Open(background(t), Options{Store: s, Self: broker(2)})
		if err == nil {
			c.stop()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("the start did not wait: %v", err)
	case <-time.After(short):
	}
	s.SetDown(false)
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
}

func TestAStartThatIsStoppedWaitsForNoStore(t *testing.T) {
	s, _ := newMem(t)
	s.SetDown(true)
	ctx, cancel := context.WithTimeout(background(t), short)
	defer cancel()
	_, err := Open(ctx, Options{Store: s, Self: broker(1)})
	wantError(t, err, store.ErrUnavailable)
}

// The history that a watch would need is dropped while it is away.
func TestAWatchThatFellBehindACompactionReadsAnew(t *testing.T) {
	s, _ := newMem(t)
	a := join(t, Options{Store: s, Self: broker(1)})
	create(t, a, "kept", 2)
	create(t, a, "dropped", 1)

	s.ApplyUnseen(store.Delete("/lockstep/topics/dropped"), store.Put("/lockstep/configs/cluster", []byte(`{"log.retention.ms":"7"}`)))

	a.eventually(t, func(im *image.Image) bool {
		_, kept := im.Topic("kept")
		_, dropped := im.Topic("dropped")
		return kept && !dropped && im.ClusterConfigs()["log.retention.ms"] == "7"
	})
	create(t, a, "later", 1)
}

// swapStore is a Store in whose place another can be put.
type swapStore struct {
	atomic.Pointer[store.Memory]
	store.Store // what is not named below
}

func (s *swapStore) Get(ctx context.Context, key string) (store.KeyValue, int64, error) {
	return s.Load().Get(ctx, key)
}

func (s *swapStore) List(ctx context.Context, prefix string) ([]store.KeyValue, int64, error) {
	return s.Load().List(ctx, prefix)
}

func (s *swapStore) Watch(ctx context.Context, prefix string, from int64) <-chan store.Update {
	return s.Load().Watch(ctx, prefix, from)
}

// The watch is lost, and what answers next is something else.
func TestAStoreThatIsNotWhatItWasIsRefused(t *testing.T) {
	for name, story := range map[string]struct {
		format string
		want   error
	}{
		"an old snapshot": {format: "", want: ErrStoreWentBack},
		"another cluster": {format: `{"version":1,"clusterId":"another"}`, want: image.ErrClusterMismatch},
		"nothing":         {format: "none", want: image.ErrClusterMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			now, _ := newMem(t)
			swap := new(swapStore)
			swap.Store = now
			swap.Pointer.Store(now)
			c, err := Open(background(t), Options{Store: swap, Self: broker(1), Logger: quiet})
			if err != nil {
				t.Fatal(err)
			}
			format, _, err := now.Get(background(t), "/lockstep/format")
			noError(t, err)
			done := make(chan error)
			go func() { done <- c.Run(context.Background()) }()
			noError(t, c.AlterClusterConfigs(background(t), ConfigChange{Set: map[string]string{"log.retention.ms": "1"}}))

			other, _ := newMem(t)
			if story.format != "" {
				format.Value = []byte(story.format)
			}
			if story.format != "none" {
				_, _, err = other.Txn(background(t), nil, []store.Op{store.Put("/lockstep/format", format.Value)})
				noError(t, err)
			}
			swap.Pointer.Store(other)
			now.SetDown(true)
			wantError(t, <-done, story.want)
			noError(t, c.Close(background(t)))
		})
	}
}

func TestAValueThatCannotBeReadIsLeftOut(t *testing.T) {
	s, _ := newMem(t)
	c := join(t, Options{Store: s, Self: broker(1)})
	create(t, c, "good", 1)
	_, rev, err := s.Txn(background(t), nil, []store.Op{
		store.Put("/lockstep/topics/good", []byte("{")),
		store.Put("/lockstep/topics/bad", []byte(`{"name":"bad","id":"short"}`)),
		store.Put("/lockstep/brokers/x", []byte("?")),
		store.Put("/lockstep/later/thing", []byte("?")),
	})
	noError(t, err)
	noError(t, c.await(background(t), rev))
	if got := names(c.Image()); len(got) != 1 || got[0] != "good" {
		t.Fatalf("topics %v", got)
	}
	_, err = Open(background(t), Options{Store: s, Self: broker(2), Logger: quiet})
	if err == nil {
		t.Fatal("a new broker started on values that it cannot read")
	}
}
