package coordination

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

func told(at protocol.Offset, by Origin, r Record) string {
	s := fmt.Sprintf("%d %s=%s", at, r.Key, r.Value)
	if by.ProducerID != protocol.NoProducer {
		s += fmt.Sprintf(" of %d/%d", by.ProducerID, by.ProducerEpoch)
		s += fmt.Sprintf(", transactional %v, control %v", by.Transactional, by.Control)
	}
	return s
}

// outcome is what a call was answered with.
type outcome struct {
	response any
	err      error
}

// Goal: nobody hears of what may still be lost. Method: the follower has not
// fetched what a command wrote; then it does.
func TestRepliesAreSentWhenWhatTheyRestOnIsCommitted(t *testing.T) {
	h := newHost(t, vfs.NewMem(), both)
	r, _ := start(h, Options[*keyed]{New: newKeyed})
	h.elect(self)
	h.follow(0)
	answers := make(chan outcome, 4)
	do(t, r, func(sh *Shard[*keyed]) {
		call := sh.Park(func(response any, err error) { answers <- outcome{response, err} })
		fx := sh.Machine().set("a", "1")
		fx.Replies = []Reply{{call, "parked"}}
		fx.Committed = func() { answers <- outcome{"committed", nil} }
		sh.Apply(fx)
		sh.After(func(err error) { answers <- outcome{"after", err} })
		decided := sh.Park(func(response any, err error) { answers <- outcome{response, err} })
		sh.Apply(Effects{Decided: []Reply{{decided, "decided"}}})
	})
	if got := received(t, "what rests on nothing", answers); got != (outcome{"decided", nil}) {
		t.Errorf("at once: %v", got)
	}
	eventually(t, "the record to be in the log", func() bool { return h.End() == 1 })
	do(t, r, func(*Shard[*keyed]) {})
	select {
	case got := <-answers:
		t.Errorf("before the commit: %v", got)
	default:
	}
	h.follow(1)
	for _, want := range []string{"committed", "parked", "after"} {
		if got := received(t, "an answer", answers); got != (outcome{want, nil}) {
			t.Errorf("after the commit: %v, want %s", got, want)
		}
	}
}

// Goal: a client that has waited long enough is told that it is not known yet, and
// what waits for the commit alone still learns of it.
func TestACommitThatTakesTooLongIsNotKnownYet(t *testing.T) {
	h := newHost(t, vfs.NewMem(), both)
	r, _ := start(h, Options[*keyed]{New: newKeyed, CommitTimeout: time.Millisecond})
	h.elect(self)
	h.follow(0)
	answers, committed := make(chan error, 1), make(chan struct{})
	do(t, r, func(sh *Shard[*keyed]) {
		fx := sh.Machine().set("a", "1")
		fx.Committed = func() { close(committed) }
		sh.Apply(fx)
		sh.After(func(err error) { answers <- err })
	})
	if err := received(t, "the answer", answers); !errors.Is(err, kerr.CoordinatorNotAvailable) {
		t.Errorf("got %v", err)
	}
	eventually(t, "the record to be in the log", func() bool { return h.End() == 1 })
	h.follow(1)
	received(t, "the commit", committed)
}

// Goal: who waits when a leadership ends is answered, whatever he waits for.
func TestTheEndOfALeadershipAnswersEverybody(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(h *host, stop func())
		want error
	}{
		"another leads":    {func(h *host, _ func()) { h.elect(follower) }, kerr.NotCoordinator},
		"in another epoch": {func(h *host, _ func()) { h.elect(self) }, kerr.NotCoordinator},
		"the broker stops": {func(_ *host, stop func()) { stop() }, kerr.CoordinatorNotAvailable},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, vfs.NewMem(), both)
			r, stop := start(h, Options[*keyed]{New: newKeyed})
			h.elect(self)
			h.follow(0)
			answers := make(chan error, 4)
			do(t, r, func(sh *Shard[*keyed]) {
				sh.Park(func(_ any, err error) { answers <- err })
				fx := sh.Machine().set("a", "1")
				fx.Committed = func() { answers <- errors.New("it is committed") }
				sh.Apply(fx)
				sh.After(func(err error) { answers <- err })
				sh.Park(func(_ any, err error) { answers <- err })
			})
			eventually(t, "the record to be in the log", func() bool { return h.End() == 1 })
			c.end(h, stop)
			for range 3 {
				if err := received(t, "an answer", answers); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
			}
		})
	}
}

// Goal: a request that comes while the shard is loaded waits for it, or for the end.
// Method: a clock that stands still until the request waits.
func TestRequestsWaitForTheLoad(t *testing.T) {
	h := newHost(t, vfs.NewMem(), both)
	var now atomic.Int64
	r, _ := start(h, Options[*keyed]{New: newKeyed, NowMs: now.Load})
	if err := try(r, func(*Shard[*keyed]) {}); !errors.Is(err, kerr.NotCoordinator) {
		t.Errorf("before anybody leads: %v", err)
	}
	h.setISR(alone) // too few to write
	h.elect(self)
	answers := make(chan error, 1)
	ask := func() {
		r.Serve(0, func(_ *Shard[*keyed], err error) { answers <- err })
		eventually(t, "the request to wait", func() bool { return waitForLoad(r) == 1 })
	}
	ask()
	h.elect(follower)
	if err := received(t, "an answer", answers); !errors.Is(err, kerr.NotCoordinator) {
		t.Errorf("when the leadership ends: %v", err)
	}
	h.elect(self)
	ask()
	now.Add(loadWaitMs)
	if err := r.Do(func() {}); err != nil { // it looks at the clock
		t.Fatal(err)
	}
	if err := received(t, "an answer", answers); !errors.Is(err, kerr.CoordinatorLoadInProgress) {
		t.Errorf("after a second: %v", err)
	}
	h.setISR(both)
	h.follow(0)
	eventually(t, "the shard to be loaded", serves(r))
}

// Goal: who waits for a load is sent elsewhere when another broker leads. Method: the
// partition hears of that before the runtime does.
func TestALoadThatEndsWithItsLeadershipSendsElsewhere(t *testing.T) {
	h := newHost(t, vfs.NewMem(), both)
	r, _ := start(h, Options[*keyed]{New: newKeyed, NowMs: func() int64 { return 0 }})
	h.setISR(alone) // too few to write
	h.elect(self)
	answers := make(chan error, 1)
	r.Serve(0, func(_ *Shard[*keyed], err error) { answers <- err })
	eventually(t, "the request to wait", func() bool { return waitForLoad(r) == 1 })
	h.state.LeaderEpoch, h.state.PartitionEpoch, h.state.Leader = h.state.LeaderEpoch+1, h.state.PartitionEpoch+1, follower
	h.ApplyMetadata(h.state)
	if err := received(t, "an answer", answers); !errors.Is(err, kerr.NotCoordinator) {
		t.Errorf("who waited gets %v", err)
	}
	if err := try(r, func(*Shard[*keyed]) {}); !errors.Is(err, kerr.NotCoordinator) {
		t.Errorf("who comes then gets %v", err)
	}
}

// serves and refuses say what a request comes to.
func serves(r *Runtime[*keyed]) func() bool {
	return func() bool { return try(r, func(*Shard[*keyed]) {}) == nil }
}

func refuses(r *Runtime[*keyed]) func() bool {
	return func() bool { return errors.Is(try(r, func(*Shard[*keyed]) {}), kerr.CoordinatorNotAvailable) }
}

// waitForLoad is how many requests wait for a shard to be loaded.
func waitForLoad(r *Runtime[*keyed]) (n int) {
	done := make(chan struct{})
	if r.Do(func() { r.Each(func(sh *Shard[*keyed], _ error) { n += len(sh.loadWaiters) }); close(done) }) != nil {
		return 0
	}
	<-done
	return n
}

// Goal: a log that could not be read is read again, and until then nobody is
// served from what could be. Method: reads of the log fail for a while.
func TestALoadThatFailedIsTriedAgain(t *testing.T) {
	var failing atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		reads := op.Kind == errorfs.OpFileRead || op.Kind == errorfs.OpFileReadAt
		if failing.Load() && reads && strings.HasPrefix(op.Path, "p/") {
			return errors.New("the disk cannot be read just now")
		}
		return nil
	}))
	h := newHost(t, fs, alone)
	began := time.Now()
	fast := func() int64 { return 200 * time.Since(began).Milliseconds() }
	r, _ := start(h, Options[*keyed]{New: newKeyed, NowMs: fast})
	h.elect(self)
	commit(t, r, "a", "1")
	failing.Store(true)
	h.elect(self)
	eventually(t, "a load to fail", refuses(r))
	failing.Store(false)
	eventually(t, "the shard to be loaded", serves(r))
	do(t, r, func(sh *Shard[*keyed]) {
		if got := sh.Machine().values["a"]; got != "1" {
			t.Errorf("a is %q", got)
		}
	})
}

// commit sets a key and waits until that is committed.
func commit(t *testing.T, r *Runtime[*keyed], key, value string) {
	t.Helper()
	answer := make(chan error, 1)
	eventually(t, "a shard", func() bool {
		return try(r, func(sh *Shard[*keyed]) {
			sh.Apply(sh.Machine().set(key, value))
			sh.After(func(err error) { answer <- err })
		}) == nil
	})
	if err := received(t, "a commit", answer); err != nil {
		t.Fatal(err)
	}
}

// A record that cannot be read is not skipped: what it said may have been acknowledged.
func TestARecordThatCannotBeReadIsNotSkipped(t *testing.T) {
	h := newHost(t, vfs.NewMem(), alone)
	r, _ := start(h, Options[*keyed]{New: newKeyed})
	h.elect(self)
	commit(t, r, "unreadable", "")
	h.elect(self)
	eventually(t, "the load to fail", refuses(r))
}

// Goal: what is due is done in time, and what it writes is committed as all else.
func TestTimersFire(t *testing.T) {
	h := newHost(t, vfs.NewMem(), alone)
	r, _ := start(h, Options[*keyed]{New: newKeyed})
	h.elect(self)
	committed := make(chan struct{})
	do(t, r, func(sh *Shard[*keyed]) {
		k := sh.Machine()
		k.due = r.NowMs() + 20
		k.ticked = func() Effects {
			fx := k.set("late", "1")
			fx.Committed = func() { close(committed) }
			return fx
		}
	})
	received(t, "the timer's write", committed)
	if h.HighWatermark() != 1 {
		t.Errorf("the high watermark is %d", h.HighWatermark())
	}
}

// Goal: when the log refuses a write, the machine is ahead of it and is made anew.
// Method: too few replicas are in sync for a while.
func TestAWriteThatTheLogRefusesHasTheShardLoadedAgain(t *testing.T) {
	h := newHost(t, vfs.NewMem(), both)
	r, _ := start(h, Options[*keyed]{New: newKeyed})
	h.elect(self)
	h.follow(0)
	eventually(t, "the shard to be loaded", serves(r)) // with too few in sync it would not be
	answer := make(chan error, 2)
	h.setISR(alone)
	do(t, r, func(sh *Shard[*keyed]) {
		sh.Park(func(_ any, err error) { answer <- err })
		sh.Apply(sh.Machine().set("lost", "1"))
		sh.After(func(err error) { answer <- err })
	})
	for range 2 {
		if err := received(t, "an answer", answer); !errors.Is(err, kerr.CoordinatorNotAvailable) {
			t.Errorf("got %v", err)
		}
	}
	h.setISR(both)
	h.follow(0)
	eventually(t, "the shard to be loaded", serves(r))
	do(t, r, func(sh *Shard[*keyed]) {
		if keys := sh.Machine().keys(); len(keys) > 0 {
			t.Errorf("it remembers %v", keys)
		}
	})
}

// held is a partition whose proposals wait until they are let go.
type held struct {
	*replica.Partition
	mu struct {
		sync.Mutex
		on        bool
		proposals []*replica.Proposal
	}
}

func (p *held) Propose(q *replica.Proposal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.on {
		p.Partition.Propose(q)
		return
	}
	p.mu.proposals = append(p.mu.proposals, q)
}

// Goal: a machine that is loaded again has all that is ever in the log before its
// own writes. Method: of two writes under way the first fails; the second comes
// into the log when the shard that wrote it is long gone.
func TestAShardIsLoadedAgainWhenTheWritesOfTheOneBeforeHaveEnded(t *testing.T) {
	h := newHost(t, vfs.NewMem(), alone)
	p := &held{Partition: h.Partition}
	h.shown = p
	r, _ := start(h, Options[*keyed]{New: newKeyed})
	h.elect(self)
	commit(t, r, "a", "1")
	p.mu.on = true
	answers := make(chan error, 2)
	do(t, r, func(sh *Shard[*keyed]) {
		for _, key := range []string{"lost", "late"} {
			sh.Apply(sh.Machine().set(key, "1"))
			sh.After(func(err error) { answers <- err })
		}
	})
	p.mu.Lock()
	p.mu.on = false
	lost, late := p.mu.proposals[0], p.mu.proposals[1]
	p.mu.Unlock()
	lost.Result.Err = replica.ErrNotEnoughReplicas
	lost.Done.Completed(lost)
	for range 2 {
		if err := received(t, "an answer", answers); !errors.Is(err, kerr.CoordinatorNotAvailable) {
			t.Errorf("got %v", err)
		}
	}
	if err := try(r, func(*Shard[*keyed]) {}); !errors.Is(err, kerr.CoordinatorLoadInProgress) {
		t.Errorf("while a write is under way: %v", err)
	}
	h.Partition.Propose(late)
	eventually(t, "the shard to be loaded", serves(r))
	do(t, r, func(sh *Shard[*keyed]) {
		if keys := sh.Machine().keys(); !slices.Equal(keys, []string{"a", "late"}) {
			t.Errorf("it has %v", keys)
		}
	})
}

// Goal: what clients have waiting is bounded, and what the runtime has begun is
// never refused for it.
func TestTheMailboxIsBounded(t *testing.T) {
	h := newHost(t, vfs.NewMem(), alone)
	r := New(Options[*keyed]{New: newKeyed, Partitions: h, Logger: silent()})
	var ran int
	for range tasksMax {
		if err := r.Do(func() { ran++ }); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Do(func() { ran++ }); !errors.Is(err, kerr.CoordinatorNotAvailable) {
		t.Errorf("beyond the bound: %v", err)
	}
	var served error
	r.Serve(0, func(_ *Shard[*keyed], err error) { served = err })
	if !errors.Is(served, kerr.CoordinatorNotAvailable) {
		t.Errorf("a request beyond the bound: %v", served)
	}
	if !r.post(func() { ran++ }) {
		t.Error("the runtime's own task is refused")
	}
	r.work()
	if ran != tasksMax+1 {
		t.Errorf("%d tasks ran", ran)
	}
	if err := r.Do(func() {}); err != nil {
		t.Errorf("when there is room again: %v", err)
	}
}

// Goal: a machine can fold transactions: it sees whose each record is, and the
// markers. Method: it writes such batches, each of a producer of its own as the
// partition judges no markers yet, and is loaded again.
func TestReplayTellsWhoseARecordIs(t *testing.T) {
	h := newHost(t, vfs.NewMem(), alone)
	r, _ := start(h, Options[*keyed]{New: newKeyed})
	h.elect(self)
	commit(t, r, "a", "1")
	done := make(chan error, 1)
	do(t, r, func(sh *Shard[*keyed]) {
		sh.Apply(Effects{Writes: []Write{
			{Records: []Record{{[]byte("b"), []byte("2")}, {[]byte("c"), []byte("3")}}, By: &Origin{ProducerID: 7, ProducerEpoch: 1, Transactional: true}},
			{Records: []Record{{[]byte{0, 0, 0, 1}, []byte{0, 0, 0, 0, 0, 0}}}, By: &Origin{ProducerID: 8, Transactional: true, Control: true}},
		}})
		sh.After(func(err error) { done <- err })
	})
	if err := received(t, "the commit", done); err != nil {
		t.Fatal(err)
	}
	h.elect(self)
	eventually(t, "the shard to be loaded", serves(r))
	do(t, r, func(sh *Shard[*keyed]) {
		want := []string{
			"0 a=1", "1 b=2 of 7/1, transactional true, control false", "2 c=3 of 7/1, transactional true, control false",
			"3 \x00\x00\x00\x01=\x00\x00\x00\x00\x00\x00 of 8/0, transactional true, control true",
		}
		if got := sh.Machine().seen; !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}

// An abandoned call is not answered, and one that was answered is not abandoned.
func TestACallIsAnsweredOrAbandoned(t *testing.T) {
	h := newHost(t, vfs.NewMem(), alone)
	r, _ := start(h, Options[*keyed]{New: newKeyed})
	h.elect(self)
	var story []string
	abandoned := make(chan struct{}, 2)
	do(t, r, func(sh *Shard[*keyed]) {
		first := sh.Park(func(any, error) { story = append(story, "first answered") })
		second := sh.Park(func(any, error) { story = append(story, "second answered") })
		sh.Abandon(first, func() { story = append(story, "first abandoned"); abandoned <- struct{}{} })
		sh.Apply(Effects{Replies: []Reply{{second, nil}}})
		sh.Abandon(second, func() { story = append(story, "second abandoned") })
	})
	received(t, "the first to be abandoned", abandoned)
	do(t, r, func(sh *Shard[*keyed]) {
		sh.Apply(Effects{Replies: []Reply{{1, nil}, {2, nil}}})
		if want := []string{"second answered", "first abandoned"}; !slices.Equal(story, want) {
			t.Errorf("got %q", story)
		}
	})
}
