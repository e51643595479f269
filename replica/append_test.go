package replica

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/segment"
)

// bench is a partition on a memory file system, opened as the broker opens it.
type bench struct {
	t    testing.TB
	fs   vfs.FS
	base *conflict.Base
	*Partition
}

func settings() Settings {
	return Settings{FlushMessages: 1, FlushMs: 1 << 60, LockIDRetention: protocol.LimitOf(86_400_000), ProducerMs: 86_400_000}
}

func open(t testing.TB, fs vfs.FS) *bench {
	t.Helper()
	return openWith(t, fs)
}

// openWith opens a partition that has more folds than the product's.
func openWith(t testing.TB, fs vfs.FS, more ...Fold) *bench {
	t.Helper()
	base, err := conflict.OpenBase(fs, "base")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Open(Options{
		FS: fs, Dir: "p", ID: protocol.TopicPartition{Topic: protocol.TopicID{1}}, Self: 1, Host: alone{}, Base: base, Budget: conflict.NewBudget(0),
		Settings: settings(), NowMs: func() int64 { return 1_700_000_000_000 }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		moreFolds: more,
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, fs: fs, base: base, Partition: p}
	p.Begin(1)
	p.ApplyMetadata(protocol.PartitionState{Leader: 1, Replicas: []protocol.BrokerID{1}, ISR: protocol.Members{{ID: 1, BrokerEpoch: 1}}})
	p.runInLoop(func() {})
	t.Cleanup(func() { b.close() })
	return b
}

// alone is the Host of a partition that has no other replica.
type alone struct{}

func (alone) Fetch(*Partition, protocol.BrokerID, Fetch) {}
func (alone) StopFetch(*Partition)                       {}
func (alone) AlterISR(*Partition, protocol.ISRChange)    {}
func (alone) Resign(*Partition)                          {}
func (alone) RoleChanged(*Partition, *State)             {}

func (b *bench) close() {
	if b.base == nil {
		return
	}
	if err := errors.Join(b.Partition.Close(), b.base.Close()); err != nil {
		b.t.Error(err)
	}
	b.base = nil
}

// abandon closes without caring what the disk says.
func (b *bench) abandon() {
	b.Partition.Close()
	b.base.Close()
	b.base = nil
}

// completer is a Completer that can be waited for.
type completer struct{ done chan Result }

func (c completer) Completed(q *Proposal) { c.done <- q.Result }

// propose sends a batch in, with its locks prepared as the broker does it.
func (b *bench) propose(batch record.Batch) (Result, *protocol.Refusal) {
	b.t.Helper()
	return b.proposeIn(conflict.Optional, batch)
}

// carry proposes a batch to a topic that holds copies.
func (b *bench) carry(batch record.Batch) (Result, *protocol.Refusal) {
	b.t.Helper()
	batch.MarkCarried()
	return b.proposeIn(conflict.Carry, batch)
}

func (b *bench) proposeIn(policy conflict.Policy, batch record.Batch) (Result, *protocol.Refusal) {
	b.t.Helper()
	recs, err := batch.Open(record.Limits{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer recs.Release()
	locks, refusal := conflict.Prepare(batch, &recs, policy)
	if refusal != nil {
		return Result{Base: -1}, refusal
	}
	c := completer{make(chan Result, 1)}
	b.Propose(&Proposal{Batch: batch, Locks: locks, Acks: AcksAll, Done: c})
	r := <-c.done
	return r, r.Refusal
}

// with builds a batch of one record a string: "value; header=value; header=value".
func with(t testing.TB, b *record.Builder, records ...string) record.Batch {
	t.Helper()
	for _, text := range records {
		fields := strings.Split(text, "; ")
		r := record.Record{Value: []byte(fields[0]), Timestamp: 1}
		for _, f := range fields[1:] {
			k, v, _ := strings.Cut(f, "=")
			r.Headers = append(r.Headers, record.Header{Key: k, Value: []byte(v)})
		}
		b.Add(r)
	}
	raw, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	batch, err := record.Parse(raw, record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func plain() *record.Builder { return record.NewBuilder(record.CodecNone) }

func idempotent(seq protocol.Sequence) *record.Builder {
	return record.NewBuilder(record.CodecNone).Producer(42, 0, seq)
}

// want checks an answer: an offset, or the beginning of a refusal or error.
func want(t testing.TB, what string, r Result, refusal *protocol.Refusal, expect any) {
	t.Helper()
	switch expect := expect.(type) {
	case int:
		if refusal != nil || r.Err != nil || r.Base != protocol.Offset(expect) {
			t.Errorf("%s: got base %d, refusal %v, error %v; want %d", what, r.Base, refusal, r.Err, expect)
		}
	case error:
		if !errors.Is(r.Err, expect) {
			t.Errorf("%s: got %+v, want %v", what, r, expect)
		}
	case string:
		if refusal == nil || !strings.HasPrefix(refusal.Message(), expect) {
			t.Errorf("%s: got base %d, refusal %v, error %v; want %s", what, r.Base, refusal, r.Err, expect)
		}
	}
}

// TestOrderOfChecks plays one log through every check of the contract, in an
// order in which a wrong order of checks shows: an answer of a later check where
// an earlier one applies.
func TestOrderOfChecks(t *testing.T) {
	b := open(t, vfs.NewMem())
	steps := []struct {
		what  string
		batch record.Batch
		want  any
	}{
		{"a first write", with(t, idempotent(0), "a; lock-write=x; lock-basis=none"), 0},
		{"its retry is no conflict with itself", with(t, idempotent(0), "a; lock-write=x; lock-basis=none"), 0},
		{"a stale basis is refused", with(t, idempotent(1), "b; lock-write=x; lock-basis=none"), "CONFLICT lock=x last=0 basis=none by=- record=0: "},
		{"and took no sequence", with(t, idempotent(1), "b; lock-write=x; lock-basis=0; lock-id=two"), 1},
		{"a sequence gap comes before locks", with(t, idempotent(9), "c; lock-write=x; lock-basis=none"), ErrOutOfOrderSequence},
		{"a lock-id comes before a sequence gap", with(t, idempotent(9), "b; lock-write=x; lock-basis=0; lock-id=two"), 1},
		{"and before the lock that it wrote itself", with(t, plain(), "b; lock-write=x; lock-basis=0; lock-id=two"), 1},
		{"the same id with other content", with(t, plain(), "B; lock-write=x; lock-basis=1; lock-id=two"), "DUPLICATE id=two last=1 record=0: "},
		{"a basis that nobody can have read", with(t, plain(), "d; lock-write=x; lock-basis=2"), "MALFORMED record=0: "},
		{"nothing of all this took an offset", with(t, plain(), "e"), 2},
		{"a plain record is a write of the partition", with(t, plain(), "f; lock-write=*; lock-basis=1"), "CONFLICT lock=* last=2 basis=1 by=- record=0: "},
	}
	for _, s := range steps {
		r, refusal := b.propose(s.batch)
		want(t, s.what, r, refusal, s.want)
	}
}

// TestARepeatOfAnIdempotentProducerKeepsItsSequence: the producer takes the
// answer as a success and counts on; its next batch must not be a gap.
func TestARepeatOfAnIdempotentProducerKeepsItsSequence(t *testing.T) {
	b := open(t, vfs.NewMem())
	r, refusal := b.propose(with(t, plain(), "v; lock-id=once"))
	want(t, "first", r, refusal, 0)
	r, refusal = b.propose(with(t, idempotent(0), "v; lock-id=once"))
	want(t, "repeat", r, refusal, 0)
	r, refusal = b.propose(with(t, idempotent(0), "v; lock-id=once"))
	want(t, "retry of the repeat", r, refusal, 0)
	r, refusal = b.propose(with(t, idempotent(1), "w"))
	want(t, "the next", r, refusal, 2)
}

// TestRepeatsInABatchAreLeftOut: the rest is written, offsets stay empty.
func TestRepeatsInABatchAreLeftOut(t *testing.T) {
	b := open(t, vfs.NewMem())
	b.propose(with(t, plain(), "a; lock-id=1"))
	r, refusal := b.propose(with(t, plain(), "a; lock-id=1", "b; lock-id=2", "c"))
	want(t, "mixed batch", r, refusal, 1)
	var got []string
	err := b.Log().Scan(0, b.End(), func(batch record.Batch) error {
		recs, err := batch.Open(record.Limits{})
		if err != nil {
			return err
		}
		defer recs.Release()
		for w := recs.Walk(); w.Next(); {
			got = append(got, fmt.Sprintf("%d=%s", int64(batch.BaseOffset())+int64(w.OffsetDelta), w.Value))
		}
		return nil
	})
	if err != nil || fmt.Sprint(got) != "[0=a 2=b 3=c]" {
		t.Fatalf("the log holds %v (%v)", got, err)
	}
}

// TestEverythingIsJudgedAlikeAfterARestart, clean or by a crash that loses what
// was not synced: sequences, lock-ids and locks come back from the log.
func TestEverythingIsJudgedAlikeAfterARestart(t *testing.T) {
	for _, how := range []string{"clean", "crash"} {
		t.Run(how, func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			b := open(t, mem)
			for i := range 20 {
				r, refusal := b.propose(with(t, idempotent(protocol.Sequence(i)), fmt.Sprintf("v%d; lock-write=x y%d; lock-basis=%s; lock-id=id%d", i, i, protocol.Offset(i-1), i)))
				want(t, "before", r, refusal, i)
			}
			if how == "clean" {
				b.close()
				b = open(t, mem)
			} else {
				b = open(t, mem.CrashClone(vfs.CrashCloneCfg{}))
			}
			r, refusal := b.propose(with(t, idempotent(19), "v19; lock-write=x y19; lock-basis=18; lock-id=id19"))
			want(t, "retry by sequence", r, refusal, 19)
			r, refusal = b.propose(with(t, plain(), "v7; lock-write=x y7; lock-basis=6; lock-id=id7"))
			want(t, "retry by lock-id", r, refusal, 7)
			r, refusal = b.propose(with(t, plain(), "w; lock-write=y7; lock-basis=6"))
			want(t, "stale", r, refusal, "CONFLICT lock=y7 last=7 basis=6 by=id7 record=0: ")
			r, refusal = b.propose(with(t, plain(), "w; lock-write=y7; lock-basis=7"))
			want(t, "fresh", r, refusal, 20)
			r, refusal = b.propose(with(t, idempotent(20), "w"))
			want(t, "the producer goes on", r, refusal, 21)
		})
	}
}

// TestManyWritersOnOneLockAdmitOneEach: concurrent proposals with one basis, of
// which exactly one may pass.
func TestManyWritersOnOneLockAdmitOneEach(t *testing.T) {
	b := open(t, vfs.NewMem())
	basis := "none"
	for round := range 20 {
		var wg sync.WaitGroup
		var admitted, refused sync.Map
		for w := range 8 {
			wg.Go(func() {
				batch := with(t, plain(), fmt.Sprintf("%d.%d; lock-write=x; lock-basis=%s", round, w, basis))
				r, refusal := b.propose(batch)
				if refusal == nil && r.Err == nil {
					admitted.Store(w, r.Base)
				} else {
					refused.Store(w, refusal)
				}
			})
		}
		wg.Wait()
		n := 0
		admitted.Range(func(_, base any) bool { n++; basis = fmt.Sprint(int64(base.(protocol.Offset))); return true })
		if n != 1 {
			t.Fatalf("round %d: %d writers were admitted", round, n)
		}
	}
}

func TestAClosedPartitionRefusesProposals(t *testing.T) {
	b := open(t, vfs.NewMem())
	b.propose(with(t, plain(), "a"))
	b.close()
	r, _ := b.propose(with(t, plain(), "b"))
	if !errors.Is(r.Err, ErrNotLeader) {
		t.Fatalf("got %v", r.Err)
	}
}

// TestDeleteRecordsKeepsLockHistory: what is deleted was still written.
func TestDeleteRecordsKeepsLockHistory(t *testing.T) {
	b := open(t, vfs.NewMem())
	b.propose(with(t, plain(), "a; lock-write=x; lock-basis=none"))
	b.propose(with(t, plain(), "b"))
	if start, err := b.DeleteBefore(-1); err != nil || start != 2 {
		t.Fatalf("start %d, %v", start, err)
	}
	if _, err := b.DeleteBefore(3); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Fatalf("beyond the end: %v", err)
	}
	for range 2 {
		r, refusal := b.propose(with(t, plain(), "c; lock-write=x; lock-basis=none"))
		want(t, "stale", r, refusal, "CONFLICT lock=x last=0 ")
		fs := b.fs
		b.close()
		b = open(t, fs)
	}
	if _, err := b.Log().Read(0, 2, 1, true); !errors.Is(err, segment.ErrOffsetOutOfRange) {
		t.Fatalf("deleted records can be read: %v", err)
	}
}

// Goal: what a writer has decided on in one leader epoch is appended in no other,
// in which the log may hold what he has not seen.
func TestABatchThatIsBoundToAnEpochIsAppendedInNoOther(t *testing.T) {
	b := open(t, vfs.NewMem())
	inEpoch := func(e protocol.LeaderEpoch) error {
		c := completer{make(chan Result, 1)}
		b.Propose(&Proposal{Batch: with(t, plain(), "v"), Acks: AcksAll, OnlyIn: &e, Done: c})
		return (<-c.done).Err
	}
	if err := inEpoch(0); err != nil {
		t.Errorf("in its epoch: %v", err)
	}
	b.ApplyMetadata(protocol.PartitionState{
		Leader: 1, LeaderEpoch: 1, PartitionEpoch: 1, Replicas: []protocol.BrokerID{1}, ISR: protocol.Members{{ID: 1, BrokerEpoch: 1}},
	})
	if err := inEpoch(0); !errors.Is(err, ErrNotLeader) {
		t.Errorf("in the next: %v", err)
	}
	if err := inEpoch(1); err != nil || b.End() != 2 {
		t.Errorf("in the next, bound to it: %v, end %d", err, b.End())
	}
}
