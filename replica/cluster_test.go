package replica

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// cluster is three real partitions on crashable disks, and a register that
// stands for the metadata. Fetches are carried by goroutines.
type cluster struct {
	t  testing.TB
	mu struct {
		sync.Mutex
		nodes     map[protocol.BrokerID]*member
		partition protocol.PartitionState
		epochs    protocol.BrokerEpoch
	}
	ticking sync.WaitGroup
}

// member is one broker of it in one broker epoch, and the Host of its partition.
type member struct {
	c    *cluster
	self protocol.Member
	fs   *vfs.MemFS
	base *conflict.Base
	p    *Partition
	gone chan struct{}
	stop func() // takes it off; a second time, when the test ends, does nothing

	carriers sync.WaitGroup // only the partition's loop adds to them
}

func newCluster(t testing.TB, n int) *cluster {
	c := &cluster{t: t}
	c.mu.nodes = map[protocol.BrokerID]*member{}
	s := protocol.PartitionState{Leader: 1}
	for id := range protocol.BrokerID(n) {
		m := c.boot(id+1, vfs.NewCrashableMem())
		s.Replicas, s.ISR = append(s.Replicas, m.self.ID), append(s.ISR, m.self)
	}
	c.begin(s)
	stop := make(chan struct{})
	c.ticking.Go(func() { c.tick(stop) })
	t.Cleanup(func() { close(stop); c.close() })
	return c
}

// tick lets time pass for all partitions.
func (c *cluster) tick(stop <-chan struct{}) {
	for tick := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-stop:
			tick.Stop()
			return
		case <-tick.C:
		}
		c.mu.Lock()
		for _, m := range c.mu.nodes {
			m.p.Tick()
		}
		c.mu.Unlock()
	}
}

// boot starts a broker on a disk. c.mu is not held.
func (c *cluster) boot(id protocol.BrokerID, fs *vfs.MemFS) *member {
	c.mu.Lock()
	c.mu.epochs++
	m := &member{c: c, self: protocol.Member{ID: id, BrokerEpoch: c.mu.epochs}, fs: fs, gone: make(chan struct{})}
	m.stop = sync.OnceFunc(m.leave)
	c.mu.Unlock()
	var err error
	if m.base, err = conflict.OpenBase(fs, "base"); err != nil {
		c.t.Fatal(err)
	}
	st := settings()
	st.MinInsync = 2
	m.p, err = Open(Options{
		FS: fs, Dir: "p", ID: protocol.TopicPartition{Topic: protocol.TopicID{1}}, Self: id, Host: m, Base: m.base,
		Budget: conflict.NewBudget(0), Settings: st, LagMaxMs: 200, NowMs: func() int64 { return 1_700_000_000_000 },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		c.t.Fatal(err)
	}
	m.p.Begin(m.self.BrokerEpoch)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.nodes[id] = m
	if c.mu.partition.Replicas != nil {
		m.p.ApplyMetadata(c.mu.partition)
	}
	return m
}

// begin gives the first state.
func (c *cluster) begin(s protocol.PartitionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.announce(s)
}

// change makes another state the newest, unless to refuses: in one step, as
// the metadata does, since leader and test change it side by side.
func (c *cluster) change(to func(s *protocol.PartitionState) bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.mu.partition
	s.ISR = slices.Clone(s.ISR)
	if !to(&s) {
		return false
	}
	s.PartitionEpoch++
	c.announce(s)
	return true
}

// announce has everybody hear of a state. c.mu is held.
func (c *cluster) announce(s protocol.PartitionState) {
	c.mu.partition = s
	for _, m := range c.mu.nodes {
		m.p.ApplyMetadata(s)
	}
}

func (c *cluster) now() protocol.PartitionState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.partition
}

func (c *cluster) node(id protocol.BrokerID) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.nodes[id]
}

// elect gives leadership to another member of the ISR, and reports whether it is one.
func (c *cluster) elect(id protocol.BrokerID) bool {
	return c.change(func(s *protocol.PartitionState) bool {
		if s.ISR.Index(id) < 0 {
			return false
		}
		s.Leader, s.LeaderEpoch = id, s.LeaderEpoch+1
		return true
	})
}

// electWhenInSync is elect for a test that needs this very leader: on a busy
// machine a follower may have been out of the ISR for a moment.
func (c *cluster) electWhenInSync(t *testing.T, id protocol.BrokerID) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !c.elect(id); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("broker %d is never in sync", id)
		}
	}
}

// crash takes a broker's power away. It is out of the ISR unless it is the last
// there, and comes back on what its disk kept.
func (c *cluster) crash(id protocol.BrokerID, rng *rand.Rand) {
	m := c.node(id)
	disk := m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
	m.stop()
	c.change(func(s *protocol.PartitionState) bool {
		at := s.ISR.Index(id)
		if at < 0 || len(s.ISR) == 1 {
			return false
		}
		s.ISR = slices.Delete(s.ISR, at, at+1)
		if s.Leader == id {
			s.Leader = s.ISR[0].ID
		}
		s.LeaderEpoch++
		return true
	})
	m = c.boot(id, disk)
	c.change(func(s *protocol.PartitionState) bool {
		if len(s.ISR) != 1 || s.ISR[0].ID != id {
			return false
		}
		s.ISR, s.Leader, s.LeaderEpoch = protocol.Members{m.self}, id, s.LeaderEpoch+1
		return true
	})
}

// leave takes it off. What it has sent has arrived by then: a follower's fetch that
// came later would speak of a broker that is not there.
func (m *member) leave() {
	close(m.gone)
	m.p.Close()
	m.base.Close()
	m.carriers.Wait()
}

func (c *cluster) close() {
	for _, m := range c.mu.nodes {
		m.stop()
	}
	c.ticking.Wait()
}

// Fetch carries f to the leader and its answer back.
func (m *member) Fetch(p *Partition, leader protocol.BrokerID, f Fetch) {
	m.carriers.Go(func() {
		a, bytes := m.c.node(leader).serve(f)
		p.FetchAnswered(a, bytes, nil)
	})
}

// serve is a leader's connection: it waits for something to send.
func (m *member) serve(f Fetch) (FetchAnswer, []byte) {
	w := NewWatcher()
	m.p.Watch(w)
	defer m.p.Unwatch(w)
	answered := make(chan FetchAnswer, 1)
	m.p.Fetched(f, func(a FetchAnswer) { answered <- a })
	a := <-answered
	if a.Err != nil || a.Diverging {
		return a, nil
	}
	for wait := time.After(20 * time.Millisecond); f.Offset >= m.p.End(); {
		select {
		case <-w.C:
			if m.p.Epoch() != f.Epoch || m.p.State().Role != RoleLeader {
				return notLeaderAnswer(f), nil
			}
			if m.p.HighWatermark() > a.HighWatermark || m.p.Round() > a.Round {
				a.HighWatermark, a.Round = m.p.HighWatermark(), m.p.Round()
				return a, nil
			}
			continue
		case <-m.gone:
			return notLeaderAnswer(f), nil
		case <-wait:
		}
		break
	}
	if m.p.Epoch() != f.Epoch || m.p.State().Role != RoleLeader {
		return notLeaderAnswer(f), nil
	}
	a.HighWatermark, a.Round = m.p.HighWatermark(), m.p.Round()
	r, err := m.p.Log().Read(f.Offset, m.p.End(), 4096, true)
	if err != nil {
		return notLeaderAnswer(f), nil
	}
	defer r.Close()
	bytes, err := r.AppendTo(nil)
	if err != nil {
		return notLeaderAnswer(f), nil
	}
	return a, bytes
}

func (m *member) StopFetch(*Partition)           {}
func (m *member) Resign(*Partition)              {}
func (m *member) RoleChanged(*Partition, *State) {}

// AlterISR is the metadata's compare-and-swap.
func (m *member) AlterISR(p *Partition, ch protocol.ISRChange) {
	m.carriers.Go(func() {
		p.ISRAnswered(ch, m.c.change(func(s *protocol.PartitionState) bool {
			ok := s.LeaderEpoch == ch.LeaderEpoch && s.PartitionEpoch == ch.PartitionEpoch
			for _, added := range ch.Added {
				ok = ok && m.c.mu.nodes[added.ID].self == added
			}
			s.ISR = ch.ISR
			return ok
		}))
	})
}

// write appends until it knows what became of it, at whoever leads.
func (c *cluster) write(build func() record.Batch, stop <-chan struct{}) (Result, bool) {
	for {
		select {
		case <-stop:
			return Result{}, false
		default:
		}
		batch := build()
		recs, err := batch.Open(record.Limits{})
		if err != nil {
			c.t.Error(err)
			return Result{}, false
		}
		locks, refusal := conflict.Prepare(batch, &recs, conflict.Optional)
		recs.Release()
		if refusal != nil {
			c.t.Error(refusal)
			return Result{}, false
		}
		done := completer{make(chan Result, 1)}
		c.node(c.now().Leader).p.Propose(&Proposal{Batch: batch, Locks: locks, Acks: AcksAll, Done: done, TimeoutMs: 2000})
		if r := <-done.done; r.Err == nil {
			return r, true
		} else if !errors.Is(r.Err, ErrNotLeader) && !errors.Is(r.Err, ErrNotEnoughReplicas) && !errors.Is(r.Err, ErrTimeout) && !errors.Is(r.Err, ErrStorage) {
			c.t.Errorf("write: %v", r.Err)
		}
		time.Sleep(time.Millisecond)
	}
}

// count is a writer with a lock of its own: nobody can be in its way, so it is
// never refused, and each of its appends is in the log once.
func (c *cluster) count(name string, stop <-chan struct{}) (offsets []protocol.Offset) {
	basis := "none"
	for n := 0; ; n++ {
		text := fmt.Sprintf("%s-%d; lock-write=%s; lock-basis=%s; lock-id=%s-%d", name, n, name, basis, name, n)
		r, ok := c.write(func() record.Batch { return with(c.t, plain(), text) }, stop)
		switch {
		case !ok:
			return offsets
		case r.Refusal != nil:
			c.t.Errorf("a lock that nobody else writes is refused: %s", r.Refusal.Message())
			return offsets
		}
		offsets = append(offsets, r.Base)
		basis = fmt.Sprint(r.Base)
	}
}

// TestPartitionsLoseNothingThroughElectionsAndPowerCuts: three partitions as a
// broker drives them, writers that are never in each other's way, elections and
// power cuts at random. Every acknowledged append is on every replica, once, at
// its offset, no lock is refused falsely, and the tables are equal.
func TestPartitionsLoseNothingThroughElectionsAndPowerCuts(t *testing.T) {
	c := newCluster(t, 3)
	rng := rand.New(rand.NewPCG(1, 2))
	stop := make(chan struct{})
	written := make([][]protocol.Offset, 4)
	var writers sync.WaitGroup
	for i := range written {
		writers.Go(func() { written[i] = c.count(fmt.Sprintf("w%d", i), stop) })
	}
	for range rounds(40) {
		time.Sleep(time.Duration(10+rng.IntN(40)) * time.Millisecond)
		id := protocol.BrokerID(1 + rng.IntN(3))
		if rng.IntN(2) == 0 {
			c.elect(id)
		} else {
			c.crash(id, rng)
		}
		for _, m := range c.mu.nodes {
			m.p.Tick()
		}
	}
	close(stop)
	writers.Wait()
	c.settle(t)
	c.compare(t, written)
}

// settle waits until all are in sync and have everything.
func (c *cluster) settle(t *testing.T) {
	for range 2000 {
		s := c.now()
		done := len(s.ISR) == len(s.Replicas)
		leader := c.node(s.Leader)
		for _, m := range c.mu.nodes {
			m.p.Tick()
			done = done && m.p.End() == leader.p.End() && m.p.HighWatermark() == m.p.End()
		}
		if done {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	for id, m := range c.mu.nodes {
		t.Logf("%d: %+v end %d hw %d, scan: %v", id, m.p.State(), m.p.End(), m.p.HighWatermark(),
			m.p.Log().Scan(m.p.Start(), m.p.End(), func(record.Batch) error { return nil }))
	}
	t.Fatalf("not at rest: %+v", c.now())
}

// compare holds every replica against what was acknowledged and against the first.
func (c *cluster) compare(t *testing.T, written [][]protocol.Offset) {
	var first []byte
	var digest [16]byte
	total := 0
	for id := range protocol.BrokerID(3) {
		p := c.node(id + 1).p
		at := map[string]protocol.Offset{}
		var bytes []byte
		err := p.Log().Scan(0, p.End(), func(b record.Batch) error {
			bytes = append(bytes, b.Bytes()...)
			recs, err := b.Open(record.Limits{})
			if err != nil {
				return err
			}
			defer recs.Release()
			for w := recs.Walk(); w.Next(); {
				if before, twice := at[string(w.Value)]; twice {
					t.Errorf("replica %d has %s at %d and at %d", id+1, w.Value, before, b.BaseOffset())
				}
				at[string(w.Value)] = b.BaseOffset() + protocol.Offset(w.OffsetDelta)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("replica %d: %v", id+1, err)
		}
		total = 0
		for i, offsets := range written {
			total += len(offsets)
			for n, o := range offsets {
				if have, ok := at[fmt.Sprintf("w%d-%d", i, n)]; !ok || have != o {
					t.Errorf("replica %d: w%d-%d was acknowledged at %d and is at %d, %v", id+1, i, n, o, have, ok)
				}
			}
		}
		var sum [16]byte
		p.runInLoop(func() { sum, err = p.m.LockTable().Digest() })
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first, digest = bytes, sum
		}
		if string(first) != string(bytes) {
			t.Errorf("replica %d differs from replica 1", id+1)
		}
		if sum != digest {
			t.Errorf("the lock table of replica %d differs from that of replica 1", id+1)
		}
	}
	t.Logf("%d acknowledged, epoch %d", total, c.now().LeaderEpoch)
	if total == 0 {
		t.Error("nothing was written")
	}
}

// rounds is how many faults a test lives through: LOCKSTEP_ROUNDS asks for more.
func rounds(n int) int {
	if more, err := strconv.Atoi(os.Getenv("LOCKSTEP_ROUNDS")); err == nil {
		return more
	}
	return n
}

// TestAnEmptyReplicaBeginsInsideABatch: DeleteRecords has put the leader's start
// into the middle of a batch; a replica that comes with an empty disk gets the
// whole batch, and the start after it.
func TestAnEmptyReplicaBeginsInsideABatch(t *testing.T) {
	c := newCluster(t, 3)
	never := make(chan struct{})
	for range 3 {
		if r, ok := c.write(func() record.Batch { return with(t, plain(), "a; lock-append=x", "b", "c") }, never); !ok || r.Refusal != nil {
			t.Fatalf("%+v", r)
		}
	}
	c.settle(t)
	c.node(3).stop()
	c.change(func(s *protocol.PartitionState) bool {
		at := s.ISR.Index(3)
		if at >= 0 {
			s.ISR = slices.Delete(s.ISR, at, at+1)
		}
		return at >= 0
	})
	if start, err := c.node(1).p.DeleteBefore(4); err != nil || start != 4 {
		t.Fatalf("start %d, %v", start, err)
	}
	c.boot(3, vfs.NewCrashableMem())
	c.settle(t)
	if start, end := c.node(3).p.Start(), c.node(3).p.End(); start != 3 || end != 9 {
		t.Errorf("the new replica has %d to %d", start, end)
	}
	if err := c.node(3).p.Housekeep(); err != nil {
		t.Fatal(err)
	}
	if start := c.node(3).p.Start(); start != 4 {
		t.Errorf("after housekeeping it starts at %d", start)
	}
}

// TestAnEpochEndsForReadersBehindBatchesWithoutRecords: a reader that has passed
// one calls its position by the epoch of the record before it.
func TestAnEpochEndsForReadersBehindBatchesWithoutRecords(t *testing.T) {
	c := newCluster(t, 3)
	never := make(chan struct{})
	write := func(b func() record.Batch) {
		t.Helper()
		if r, ok := c.write(b, never); !ok || r.Refusal != nil {
			t.Fatalf("%+v", r)
		}
	}
	write(func() record.Batch { return with(t, plain(), "v; lock-id=once") })
	before := c.now().LeaderEpoch
	c.electWhenInSync(t, 2)
	write(func() record.Batch { return with(t, idempotent(0), "v; lock-id=once") }) // leaves an empty batch
	write(func() record.Batch { return with(t, plain(), "w") })
	p := c.node(2).p
	if _, end, err := p.EpochEnd(before); err != nil || end != 1 {
		t.Errorf("the epoch ended at %d, %v", end, err)
	}
	if _, end, err := p.ReadersEpochEnd(before); err != nil || end != 2 {
		t.Errorf("to readers, the epoch ended at %d, %v", end, err)
	}
}

// TestALeaderThatStepsAsideFailsItsPendingProduces: followers and metadata are out of
// reach, so another may lead; a follower's fetch ends it.
func TestALeaderThatStepsAsideFailsItsPendingProduces(t *testing.T) {
	c := newCluster(t, 3)
	c.settle(t)
	c.node(2).stop()
	c.node(3).stop()
	p := c.node(1).p
	done := completer{make(chan Result, 1)}
	p.Propose(&Proposal{Batch: with(t, plain(), "v"), Acks: AcksAll, Done: done})
	for {
		p.StepAside(10)
		select {
		case r := <-done.done:
			if !errors.Is(r.Err, ErrNotLeader) || !p.State().SteppedAside {
				t.Fatalf("%+v, %+v", r, p.State())
			}
		case <-time.After(time.Millisecond):
			continue
		}
		break
	}
	p.Propose(&Proposal{Batch: with(t, plain(), "w"), Acks: AcksAll, Done: done})
	if r := <-done.done; !errors.Is(r.Err, ErrNotLeader) {
		t.Errorf("a leader that stepped aside took a write: %+v", r)
	}
	c.boot(2, c.node(2).fs)
	for p.State().SteppedAside {
		time.Sleep(time.Millisecond)
	}
	c.boot(3, c.node(3).fs)
}
