package coordination

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// host is broker 1 as the runtime sees it: one partition, on a file system in
// memory. Broker 2 is a follower that fetches when the test says so.
type host struct {
	*replica.Partition
	t     testing.TB
	base  *conflict.Base
	shown Partition // what the runtime is given
	state protocol.PartitionState
	mu    struct {
		sync.Mutex
		led     map[int32]Leadership
		changed chan struct{}
	}
	minInsync int
}

const self, follower = protocol.BrokerID(1), protocol.BrokerID(2)

// both and alone are the ISRs of the tests.
var (
	alone = []protocol.Member{{ID: self, BrokerEpoch: 1}}
	both  = append(slices.Clone(alone), protocol.Member{ID: follower, BrokerEpoch: 1})
)

// newHost opens the partition, with the ISR for its replicas. Nobody leads yet.
func newHost(t testing.TB, fs vfs.FS, isr []protocol.Member) *host {
	h := &host{t: t, minInsync: len(isr)}
	var err error
	if h.base, err = conflict.OpenBase(fs, "base"); err != nil {
		t.Fatal(err)
	}
	h.Partition, err = replica.Open(replica.Options{
		FS: fs, Dir: "p", ID: protocol.TopicPartition{Topic: protocol.TopicID{1}}, Self: self, Host: h,
		Base: h.base, Budget: conflict.NewBudget(0),
		Settings: replica.Settings{
			MinInsync: h.minInsync, FlushMessages: 1, FlushMs: 1 << 60,
			LockIDRetention: protocol.LimitOf(86_400_000), ProducerMs: 86_400_000,
		},
		LagMaxMs: 3_600_000, NowMs: func() int64 { return 1_700_000_000_000 }, Logger: silent(),
	})
	if err != nil {
		t.Fatal(err)
	}
	h.shown = h.Partition
	h.mu.led, h.mu.changed = map[int32]Leadership{}, make(chan struct{})
	h.state = protocol.PartitionState{LeaderEpoch: -1, PartitionEpoch: -1, ISR: isr}
	for _, m := range isr {
		h.state.Replicas = append(h.state.Replicas, m.ID)
	}
	h.Begin(1)
	t.Cleanup(func() {
		if err := errors.Join(h.Close(), h.base.Close()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// elect begins the next leader epoch.
func (h *host) elect(leader protocol.BrokerID) {
	h.state.LeaderEpoch++
	h.state.Leader = leader
	h.show()
}

// setISR changes the ISR within the epoch, and returns when the partition has heard.
func (h *host) setISR(isr []protocol.Member) {
	h.state.ISR = isr
	h.show()
	eventually(h.t, "the partition to hear of its ISR", func() bool { return len(h.State().ISR) == len(isr) })
}

func (h *host) show() {
	h.state.PartitionEpoch++
	h.ApplyMetadata(h.state)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.led = map[int32]Leadership{}
	if h.state.Leader == self {
		h.mu.led[0] = Leadership{h.shown, h.state.LeaderEpoch}
	}
	close(h.mu.changed)
	h.mu.changed = make(chan struct{})
}

// follow has the follower fetch: it has all below the offset on its disk.
func (h *host) follow(to protocol.Offset) {
	h.t.Helper()
	epoch := h.state.LeaderEpoch
	eventually(h.t, "the partition to lead", func() bool {
		st := h.State()
		return st.Role == replica.RoleLeader && st.Epoch == epoch
	})
	last := protocol.LeaderEpoch(-1)
	if err := h.Log().Scan(0, to, func(b record.Batch) error { last = b.LeaderEpoch(); return nil }); err != nil {
		h.t.Fatal(err)
	}
	answered := make(chan replica.FetchAnswer, 1)
	f := replica.Fetch{From: both[1], Epoch: epoch, Offset: to, LastEpoch: last}
	h.Fetched(f, func(a replica.FetchAnswer) { answered <- a })
	if a := <-answered; a.Err != nil || a.Diverging {
		h.t.Fatalf("the follower's fetch from %d: %+v", to, a)
	}
}

// What the runtime asks.

func (h *host) Led() map[int32]Leadership {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.mu.led)
}

func (h *host) Opening(int32) bool { return false }
func (h *host) MinInsync() int     { return h.minInsync }

func (h *host) Changed() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.mu.changed
}

// What the partition asks: the test decides on the ISR, and fetches by hand.

func (h *host) Fetch(*replica.Partition, protocol.BrokerID, replica.Fetch) {}
func (h *host) StopFetch(*replica.Partition)                               {}
func (h *host) AlterISR(*replica.Partition, protocol.ISRChange)            {}
func (h *host) Resign(*replica.Partition)                                  {}
func (h *host) RoleChanged(*replica.Partition, *replica.State)             {}

// start runs a runtime over a host until the test ends or stop is called.
func start[S Machine](h *host, o Options[S]) (r *Runtime[S], stop func()) {
	o.Name, o.Partitions, o.Logger = "test machines", h, silent()
	if o.CommitTimeout == 0 {
		o.CommitTimeout = time.Minute
	}
	r = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Run(ctx) // it returns nil
	}()
	stop = func() {
		cancel()
		<-done
	}
	h.t.Cleanup(stop)
	return r, stop
}

// do has f run in the loop with the shard of partition 0, and waits for it. A
// shard that is still loaded is asked again: the machine may be busy.
func do[S Machine](t testing.TB, r *Runtime[S], f func(*Shard[S])) {
	t.Helper()
	var err error
	eventually(t, "the shard to be loaded", func() bool {
		err = try(r, f)
		return !errors.Is(err, kerr.CoordinatorLoadInProgress)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// try is do where there may be no shard.
func try[S Machine](r *Runtime[S], f func(*Shard[S])) error {
	done := make(chan error, 1)
	r.Serve(0, func(sh *Shard[S], err error) {
		if err == nil {
			f(sh)
		}
		done <- err
	})
	return <-done
}

// eventually waits until good.
func eventually(t testing.TB, what string, good func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !good(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// received waits for what a channel gets.
func received[T any](t testing.TB, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(time.Minute):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// keyed is a machine that keeps the newest value of each key.
type keyed struct {
	values map[string]string
	seen   []string // what was replayed, with whose it was
	due    int64    // when to tick; 0: never
	ticked func() Effects
}

func newKeyed() *keyed { return &keyed{values: map[string]string{}} }

func (k *keyed) Replay(at protocol.Offset, by Origin, r Record) error {
	if string(r.Key) == "unreadable" {
		return errors.New("a record that cannot be read")
	}
	if !by.Control {
		k.values[string(r.Key)] = string(r.Value)
	}
	k.seen = append(k.seen, told(at, by, r))
	return nil
}

func (k *keyed) Start(int64) Effects         { return Effects{} }
func (k *keyed) NextDeadline() (int64, bool) { return k.due, k.due > 0 }

func (k *keyed) Tick(now int64) Effects {
	if k.due == 0 || now < k.due {
		return Effects{}
	}
	k.due = 0
	return k.ticked()
}

// set is a command.
func (k *keyed) set(key, value string) Effects {
	k.values[key] = value
	return Effects{Writes: Records([]Record{{[]byte(key), []byte(value)}})}
}

// keys are those that have a value.
func (k *keyed) keys() []string { return slices.Sorted(maps.Keys(k.values)) }
