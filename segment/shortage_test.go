package segment

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lockstep-log/lockstep/protocol"
)

func opens(kind errorfs.OpKind) bool {
	switch kind {
	case errorfs.OpCreate, errorfs.OpOpen, errorfs.OpOpenDir, errorfs.OpList:
		return true
	}
	return false
}

// The goal: a process that has too many files open for a moment, at whatever
// moment, costs no log its writer. Method: one after the other, every operation
// of a workload that opens a file fails with EMFILE, and works when it is tried
// again.
func TestAMomentWithoutDescriptorsFailsNothing(t *testing.T) {
	run := func(failAt int) (opened int) {
		retried := 0
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if !opens(op.Kind) {
				return nil
			}
			if opened++; opened-1 == failAt {
				retried++
				return &errnoError{op, syscall.EMFILE}
			}
			return nil
		}))
		w := &workload{t: t, rng: rand.New(rand.NewPCG(7, 1)), starved: true}
		if err := w.run(fs); err != nil {
			t.Fatalf("without a descriptor at open %d: %v", failAt, err)
		}
		if err := w.expectation().check(fs); err != nil {
			t.Fatalf("without a descriptor at open %d: %v", failAt, err)
		}
		if failAt >= 0 && retried == 0 {
			t.Fatalf("there was no open %d", failAt)
		}
		return opened
	}
	all, step := run(-1), 1
	if testing.Short() {
		step = 7
	}
	for at := 0; at < all; at += step {
		run(at)
	}
	t.Logf("%d opens", all)
}

type errnoError struct {
	op  errorfs.Op
	err error
}

func (e *errnoError) Error() string { return fmt.Sprintf("open %s: %v", e.op.Path, e.err) }
func (e *errnoError) Unwrap() error { return e.err }

// The goal: what begins while there is no descriptor is refused before anything
// was done, and the log goes on when there is one.
func TestALogIsNotReadyWhileThereIsNoDescriptorAndGoesOnAfterwards(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		mem, starved := vfs.NewMem(), false
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if starved && opens(op.Kind) {
				return &errnoError{op, errno}
			}
			return nil
		}))
		l := open(t, fs, Config{RetentionMs: protocol.LimitOf(1)})
		for round := range 2 { // a log that never was on disk, and one that was
			starved = true
			base := l.End()
			if err := l.Ready(); !errors.Is(err, ErrNoDescriptor) {
				t.Fatalf("round %d: ready without a descriptor: %v", round, err)
			}
			if err := l.Append(0, records(t, base, 2, 10)); !errors.Is(err, ErrNoDescriptor) {
				t.Fatalf("round %d: appended without a descriptor: %v", round, err)
			}
			if _, err := l.Retain(1<<50, base); base > 0 && !errors.Is(err, ErrNoDescriptor) {
				t.Fatalf("round %d: retention without a descriptor: %v", round, err)
			}
			starved = false
			must(t, l.Append(0, records(t, base, 2, 10)))
			must(t, l.Close())
			l = open(t, fs, Config{RetentionMs: protocol.LimitOf(1)})
		}
		if l.Start() != 0 || l.End() != 4 {
			t.Fatalf("the log goes from %d to %d", l.Start(), l.End())
		}
		must(t, l.Close())
	}
}

// The goal: a disk that is full costs a log neither its writer nor its readers
// where all that fails is a file that can be lost. Method: checkpoints and the
// rebuilding of a lost index, on a disk that takes nothing.
func TestAFullDiskCostsOnlyTheFilesThatCanBeLost(t *testing.T) {
	mem, full := vfs.NewMem(), false
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpCreate) {
			return &errnoError{op, syscall.ENOSPC}
		}
		return nil
	}))
	l := open(t, fs, Config{SegmentBytes: 4000, IndexIntervalBytes: 100})
	for i := range 40 {
		must(t, l.Append(0, records(t, l.End(), 1, 100+i)))
	}
	want, err := contents(l)
	must(t, err)
	index := l.indexPath(l.snap.Load().sealed[0].segment)
	l.files.forget(index)
	must(t, fs.Remove(index))
	full = true
	if err := l.WriteCheckpoint("fold", l.End(), []byte("state")); !ShortOfSpace(err) {
		t.Fatalf("a checkpoint on a full disk: %v", err)
	}
	got, err := contents(l)
	must(t, err)
	if string(got) != string(want) {
		t.Fatal("the log reads differently without an index")
	}
	if _, err := l.Read(3, everything, 1<<10, true); err != nil {
		t.Fatalf("a read without an index: %v", err)
	}
	names, err := fs.List("/log")
	must(t, err)
	for _, name := range names {
		if _, _, ok := parseCheckpointName(name); ok || len(name) > 4 && name[len(name)-4:] == tmpSuffix {
			t.Errorf("%s is left behind", name)
		}
	}
	full = false
	must(t, l.WriteCheckpoint("fold", l.End(), []byte("state")))
	must(t, l.Append(0, records(t, l.End(), 1, 10)))
	must(t, l.Close())
}

// The goal: zeros written ahead are no reason for a log to fail. Method: a disk on
// which nothing fits but the batches themselves.
func TestADiskWithoutRoomForZerosTakesBatches(t *testing.T) {
	full := false
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full && op.Kind == errorfs.OpFileWriteAt {
			full = false // the next write is the batch
			return &errnoError{op, syscall.ENOSPC}
		}
		return nil
	}))
	l := open(t, fs, Config{})
	for range fillAfter { // small and synced one by one: zeros pay from here on
		must(t, l.Append(0, records(t, l.End(), 1, 10)))
		must(t, l.Sync())
	}
	full = true
	must(t, l.Append(0, records(t, l.End(), 1, 10)))
	must(t, l.Sync())
	if full {
		t.Fatal("no zeros were written")
	}
	want, err := contents(l)
	must(t, err)
	must(t, l.Close())
	l = open(t, fs, Config{})
	got, err := contents(l)
	must(t, err)
	if string(got) != string(want) || l.End() != fillAfter+1 {
		t.Fatalf("the log ends at %d", l.End())
	}
	must(t, l.Close())
}
