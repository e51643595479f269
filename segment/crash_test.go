package segment

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// The goal: whatever moment the power fails at, everything that was synced
// survives, what was not leaves no hole, and the log opens. Method: before
// every I/O operation of a workload, the file system is cloned as a power cut
// would leave it, with none, half and all of the unsynced pages and names.
func TestPowerCutAtAnyMomentLosesNothingThatWasSynced(t *testing.T) {
	seeds := 4
	if testing.Short() {
		seeds = 1
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { crashEverywhere(t, seed) })
	}
}

func crashEverywhere(t *testing.T, seed uint64) {
	mem := vfs.NewCrashableMem()
	w := &workload{t: t, rng: rand.New(rand.NewPCG(seed, 1))}
	rng := rand.New(rand.NewPCG(seed, 2))
	ops := 0
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
			return nil
		}
		ops++
		for _, percent := range []int{0, 50, 50, 100} {
			clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
			if err := w.expectation().check(clone); err != nil {
				t.Fatalf("power cut before write %d, %v of %s, %d %% survived: %v", ops, op.Kind, op.Path, percent, err)
			}
		}
		return nil
	}))
	if err := w.run(fs); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d moments", ops)
}

// The goal: recovery itself may be cut off at any moment. Method: a log with a
// torn tail is opened on a file system that is cloned before every operation.
func TestPowerCutDuringRecoveryIsRecoveredFrom(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 3))
		mem := vfs.NewCrashableMem()
		l := open(t, mem, Config{})
		must(t, l.Append(0, records(t, 0, 3, 100)))
		must(t, l.Sync())
		for base := protocol.Offset(3); base < 60; base += 3 {
			must(t, l.Append(0, records(t, base, 3, 400)))
		}
		want := expectation{must: 1, startMax: 0}
		must(t, l.Scan(0, everything, func(b record.Batch) error {
			want.may = append(want.may, modelBatch{raw: append([]byte(nil), b.Bytes()...), base: b.BaseOffset(), last: b.LastOffset()})
			return nil
		}))
		torn := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 70, RNG: rng})
		fs := errorfs.Wrap(torn, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
				clone := torn.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
				if err := want.check(clone); err != nil {
					t.Fatalf("seed %d: power cut before %v of %s: %v", seed, op.Kind, op.Path, err)
				}
			}
			return nil
		}))
		recovered := open(t, fs, Config{})
		must(t, recovered.Close())
		must(t, want.check(torn))
		must(t, l.Close())
	}
}

// The goal: the first failed write or sync is final, and nothing that was
// promised before it is lost. Method: a workload with an error at every index.
func TestFirstFailedWriteIsFinal(t *testing.T) {
	for i := 1; ; i++ {
		mem := vfs.NewCrashableMem()
		w := &workload{t: t, rng: rand.New(rand.NewPCG(7, 7))}
		ops := 0
		err := w.run(errorfs.Wrap(mem, errorfs.InjectorFunc(func(errorfs.Op) error {
			if ops++; ops == i {
				return errorfs.ErrInjected
			}
			return nil
		})))
		if ops < i {
			must(t, err)
			t.Logf("%d operations", ops)
			return
		}
		if w.log != nil && w.log.w.failed != nil {
			checkFailed(t, w.log)
		}
		if err := w.expectation().check(mem.CrashClone(vfs.CrashCloneCfg{})); err != nil {
			t.Fatalf("error at operation %d, then a power cut: %v", i, err)
		}
		if err := w.expectation().check(mem); err != nil {
			t.Fatalf("error at operation %d: %v", i, err)
		}
	}
}

// checkFailed proves that a log which failed stays so.
func checkFailed(t *testing.T, l *Log) {
	t.Helper()
	want := l.w.failed
	_, retainErr := l.Retain(0, l.End())
	for _, err := range []error{
		l.Append(0, records(t, l.End(), 1, 10)), l.Sync(), l.Checkpoint(), l.Truncate(0), l.SetStart(l.End()),
		retainErr, l.WriteCheckpoint("fold", 0, nil), l.Close(),
	} {
		if err != want && err != ErrClosed {
			t.Fatalf("a log that failed with %v says %v", want, err)
		}
	}
}
