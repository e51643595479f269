package replica

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// inTransaction begins a batch of producer 42's transaction.
func inTransaction(epoch protocol.ProducerEpoch, seq protocol.Sequence) *record.Builder {
	return record.NewBuilder(record.CodecNone).Producer(42, epoch, seq).Transactional()
}

// mark writes a marker and waits for its answer.
func (b *bench) mark(k Marker) error {
	b.t.Helper()
	done := make(chan error, 1)
	b.WriteMarker(k, 0, func(err error) { done <- err })
	return <-done
}

// wantStable compares what readers see of the transactions.
func (b *bench) wantStable(what string, stable protocol.Offset, aborted ...AbortedTransaction) {
	b.t.Helper()
	if got := b.LastStable(); got != stable {
		b.t.Errorf("%s: the last stable offset is %d, want %d", what, got, stable)
	}
	if got := b.Aborted(0, noOffset); !slices.Equal(got, aborted) {
		b.t.Errorf("%s: aborted are %v, want %v", what, got, aborted)
	}
}

// Goal: the last stable offset stands at an open transaction, and the aborted ones
// are told. Method: two producers' transactions overlap; one is aborted, one
// committed; then the same after a restart and after a crash.
func TestReadersAreHeldBackByOpenTransactions(t *testing.T) {
	fs := vfs.NewCrashableMem()
	b := open(t, fs)
	b.propose(with(t, plain(), "a"))
	b.propose(with(t, inTransaction(0, 0), "b"))
	other := record.NewBuilder(record.CodecNone).Producer(43, 0, 0).Transactional()
	b.propose(with(t, other, "c"))
	b.propose(with(t, inTransaction(0, 1), "d"))
	b.wantStable("two are open", 1)
	if epoch, first, open := b.OpenTransaction(42); !open || epoch != 0 || first != 1 {
		t.Errorf("open: %v, epoch %d, first %d", open, epoch, first)
	}
	if err := b.mark(Marker{Producer: 42, Epoch: 1, CoordinatorEpoch: 3, Number: 1}); err != nil {
		t.Fatal(err)
	}
	aborted := AbortedTransaction{Producer: 42, First: 1, Last: 4}
	b.wantStable("one is open", 2, aborted)
	if _, _, open := b.OpenTransaction(42); open {
		t.Error("a transaction is open behind its marker")
	}
	disk := fs.CrashClone(vfs.CrashCloneCfg{})
	b.close()
	for name, fs := range map[string]*vfs.MemFS{"restart": fs, "crash": disk} {
		b := open(t, fs)
		b.wantStable(name, 2, aborted)
		if s := b.Transaction(42); s.Ended != 4 || s.CoordinatorEpoch != 3 {
			t.Errorf("%s: the last marker is %+v", name, s)
		}
		if err := b.mark(Marker{Producer: 43, Epoch: 1, Commit: true, Number: 9}); err != nil {
			t.Fatal(err)
		}
		b.wantStable(name+", none is open", 6, aborted)
		if got := b.Aborted(5, 6); len(got) != 0 {
			t.Errorf("%s: behind the marker there are %v", name, got)
		}
		b.close()
	}
}

// TestAMarkerOnceWrittenIsNotWrittenAgain: a request for markers may come late, and
// its repeat even after the producer's next transaction has begun.
func TestAMarkerOnceWrittenIsNotWrittenAgain(t *testing.T) {
	fs := vfs.NewCrashableMem()
	b := open(t, fs)
	b.propose(with(t, inTransaction(0, 0), "a"))
	end := Marker{Producer: 42, Epoch: 1, Commit: true, Number: 5}
	if err := b.mark(end); err != nil {
		t.Fatal(err)
	}
	b.propose(with(t, inTransaction(1, 0), "b"))
	disk := fs.CrashClone(vfs.CrashCloneCfg{})
	again := func(b *bench) {
		t.Helper()
		for _, k := range []Marker{end, {Producer: 42, Epoch: 1, Commit: false, Number: 4}, {Producer: 42, Epoch: 0, Number: 5}} {
			if err := b.mark(k); err != nil || b.End() != 3 {
				t.Errorf("%+v: %v, and the log ends at %d", k, err, b.End())
			}
		}
		if _, _, open := b.OpenTransaction(42); !open {
			t.Error("the repeat of a marker has ended the next transaction")
		}
	}
	again(b)
	again(open(t, disk))
}

// TestMarkersAreFenced by newer epochs of the producer, and of the coordinator.
func TestMarkersAreFenced(t *testing.T) {
	b := open(t, vfs.NewMem())
	b.propose(with(t, inTransaction(4, 0), "a"))
	for _, c := range []struct {
		what string
		k    Marker
		want error
		end  protocol.Offset
	}{
		{"an older epoch of the producer", Marker{Producer: 42, Epoch: 3, CoordinatorEpoch: 7, Number: 1}, ErrProducerFenced, 1},
		{"a negative epoch", Marker{Producer: 42, Epoch: -1, CoordinatorEpoch: 7}, ErrProducerFenced, 1},
		{"the epoch", Marker{Producer: 42, Epoch: 4, CoordinatorEpoch: 7, Number: 1}, nil, 2},
		{"an older coordinator", Marker{Producer: 42, Epoch: 5, CoordinatorEpoch: 6, Number: 2}, ErrCoordinatorFenced, 2},
		{"none", Marker{Producer: 42, Epoch: 5, CoordinatorEpoch: -1}, ErrCoordinatorFenced, 2},
		{"the same coordinator", Marker{Producer: 42, Epoch: 5, CoordinatorEpoch: 7, Number: 2}, nil, 3},
		{"a producer that nobody knows, without a coordinator", Marker{Producer: 99, Epoch: 0, CoordinatorEpoch: -1}, nil, 4},
		{"the same again, not numbered", Marker{Producer: 99, Epoch: 0, CoordinatorEpoch: -1}, nil, 5},
	} {
		if err := b.mark(c.k); !errors.Is(err, c.want) || b.End() != c.end {
			t.Errorf("%s: %v, want %v; the log ends at %d, want %d", c.what, err, c.want, b.End(), c.end)
		}
	}
}

// Goal: batches come into a transaction only while it is open, and only those that
// belong there. Method: one producer's life, step by step, with what Kafka 4.3.1
// answers to each.
func TestBatchesOfATransaction(t *testing.T) {
	b := open(t, vfs.NewMem())
	propose := func(batch record.Batch, joins *protocol.Offset, atZero bool) Result {
		c := completer{make(chan Result, 1)}
		b.Propose(&Proposal{Batch: batch, Acks: AcksAll, Done: c, Joins: joins, FirstAtZero: atZero})
		return <-c.done
	}
	at := func(o protocol.Offset) *protocol.Offset { return &o }
	none := at(protocol.None)
	commit := func(epoch protocol.ProducerEpoch, number int64) func() {
		return func() {
			if err := b.mark(Marker{Producer: 42, Epoch: epoch, Commit: true, Number: number}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range []struct {
		what   string
		before func()
		batch  record.Batch
		joins  *protocol.Offset
		atZero bool
		want   any
	}{
		{"a first batch that is not", nil, with(t, inTransaction(0, 3), "x"), none, true, ErrOutOfOrderSequence},
		{"a first batch", nil, with(t, inTransaction(0, 0), "a"), none, true, 0},
		{"its repeat", nil, with(t, inTransaction(0, 0), "a"), none, true, 0},
		{"a plain batch of the producer", nil, with(t, idempotent(1), "x"), nil, false, ErrInvalidTxnState},
		{"a batch of another epoch", nil, with(t, inTransaction(1, 0), "x"), none, true, ErrInvalidTxnState},
		{"the next", nil, with(t, inTransaction(0, 1), "b"), none, true, 1},
		{"a late one, behind a marker with the next epoch", commit(1, 1), with(t, inTransaction(0, 2), "x"), none, true, ErrProducerFenced},
		{"a new one", nil, with(t, inTransaction(1, 0), "c"), at(2), true, 3},
		{"a late one, behind a marker with the same epoch", commit(1, 2), with(t, inTransaction(1, 1), "x"), at(2), false, ErrInvalidTxnState},
		{"that joins the next transaction and counts on", nil, with(t, inTransaction(1, 1), "d"), at(4), false, 5},
		{"a new one in the same epoch, that counts from 0", commit(1, 3), with(t, inTransaction(1, 0), "x"), at(6), false, ErrOutOfOrderSequence},
		{"a plain batch where none is open", nil, with(t, record.NewBuilder(record.CodecNone).Producer(42, 1, 2), "e"), nil, false, 7},
		{"offsets that are committed in a transaction", nil, with42(t, 1), nil, false, 8},
		{"the same in an epoch that is over", commit(2, 4), with42(t, 1), nil, false, ErrProducerFenced},
	} {
		if s.before != nil {
			s.before()
		}
		want(t, s.what, propose(s.batch, s.joins, s.atZero), nil, s.want)
	}
}

// with42 is a batch as a group coordinator writes it: it has no sequence.
func with42(t *testing.T, epoch protocol.ProducerEpoch) record.Batch {
	t.Helper()
	raw, err := inTransaction(epoch, -1).Add(record.Record{Value: []byte("offset")}).Build()
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := record.View(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRetentionAndDeleteRecordsStopAtOpenTransactions: what holds and readers need
// is folded from the log.
func TestRetentionAndDeleteRecordsStopAtOpenTransactions(t *testing.T) {
	b := open(t, vfs.NewMem())
	for i := range 3 {
		b.propose(with(t, plain(), fmt.Sprint(i)))
	}
	b.propose(with(t, inTransaction(0, 0), "a"))
	b.propose(with(t, plain(), "b"))
	if _, err := b.DeleteBefore(4); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Errorf("deleted beyond the last stable offset: %v", err)
	}
	if needs := b.m.folds.needs(); needs > 3 {
		t.Errorf("retention may go up to %d", needs)
	}
	if start, err := b.DeleteBefore(-1); start != 3 || err != nil {
		t.Errorf("the log starts at %d, %v", start, err)
	}
	if err := b.mark(Marker{Producer: 42, Epoch: 1, Number: 1}); err != nil {
		t.Fatal(err)
	}
	if start, err := b.DeleteBefore(-1); start != 6 || err != nil {
		t.Errorf("when it is decided the log starts at %d, %v", start, err)
	}
}

// Goal: what a transaction holds is held on every replica, whatever happens to it.
// Method: a plain writer is refused while the transaction is open: after a restart,
// after a crash, and behind a checkpoint; and not when the marker is in the log.
func TestHoldsOutliveARestart(t *testing.T) {
	fs := vfs.NewCrashableMem()
	b := open(t, fs)
	propose := func(what, text string, expect any) {
		t.Helper()
		r, refusal := b.propose(with(t, plain(), text))
		want(t, what, r, refusal, expect)
	}
	propose("before", "a; lock-write=x; lock-basis=none", 0)
	r, refusal := b.propose(with(t, inTransaction(0, 0), "t; lock-write=x; lock-basis=0; lock-id=mine"))
	want(t, "in the transaction", r, refusal, 1)
	propose("beside it", "b; lock-write=y; lock-basis=0", 2)
	for _, restart := range []func(){
		func() {},
		func() { b.close(); b = open(t, fs) },
		func() { disk := fs.CrashClone(vfs.CrashCloneCfg{}); b.close(); fs = disk; b = open(t, fs) },
		func() {
			if err := b.Housekeep(); err != nil {
				t.Fatal(err)
			}
			if start, err := b.DeleteBefore(-1); start != 1 || err != nil {
				t.Fatalf("the log starts at %d, %v", start, err)
			}
			disk := fs.CrashClone(vfs.CrashCloneCfg{})
			b.close()
			fs = disk
			b = open(t, fs)
		},
	} {
		restart()
		propose("a lock that is held", "c; lock-append=x", "HELD lock=x since=1 by=mine record=0")
		propose("an id that is held", "c; lock-id=mine", "HELD id=mine since=1 record=0")
		propose("a basis that nobody has read", "c; lock-write=z; lock-basis=1", "MALFORMED record=0: basis 1 is at or beyond the last stable offset 1")
		propose("a lock that is free", "c; lock-write=y; lock-basis=0", "CONFLICT lock=y last=2")
	}
	if state, err := b.Lock(protocol.LockItem{Name: []byte("x"), Raw: []byte("x")}); err != nil || state.Held == nil ||
		state.Held.Since != 1 || state.Last != 0 || b.Holds() != 1 {
		t.Errorf("%+v, %v; %d locks are held", state, err, b.Holds())
	}
	if err := b.mark(Marker{Producer: 42, Epoch: 1, Commit: true, Number: 1}); err != nil {
		t.Fatal(err)
	}
	propose("what was decided meanwhile", "c; lock-write=x; lock-basis=0", "CONFLICT lock=x last=1 basis=0 by=mine")
	propose("after it", "c; lock-write=x; lock-basis=1", 4)
}
