package segment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// compactionRun writes a log of few keys, compacts it, writes on, and compacts
// again. It knows at any moment which value of a key must be found.
type compactionRun struct {
	t      testing.TB
	log    *Log
	rng    *rand.Rand
	wrote  map[protocol.Offset]string // key=value of every record
	newest map[string]protocol.Offset // of what was synced
	synced protocol.Offset
}

var compactionConfig = Config{SegmentBytes: 1200, IndexIntervalBytes: 200}

func (r *compactionRun) run(fs vfs.FS) (err error) {
	if r.log, err = Open(fs, "/log", compactionConfig); err != nil {
		return err
	}
	for range 3 {
		for range 8 {
			if err := r.append(); err != nil {
				return err
			}
		}
		if err := r.sync(); err != nil {
			return err
		}
		if err := r.compact(); err != nil {
			return err
		}
	}
	return r.log.Close()
}

func (r *compactionRun) append() error {
	b := record.NewBuilder(record.CodecNone).Place(r.log.End(), 0)
	for i := range 1 + r.rng.IntN(4) {
		o := r.log.End() + protocol.Offset(i)
		key, value := fmt.Sprintf("k%d", r.rng.IntN(8)), fmt.Sprintf("%d-%0*d", o, r.rng.IntN(80), o)
		b.Add(record.Record{Timestamp: int64(o), Key: []byte(key), Value: []byte(value)})
		r.wrote[o] = key + "=" + value
	}
	raw, err := b.Build()
	must(r.t, err)
	view, _, err := record.View(raw)
	must(r.t, err)
	return r.log.Append(0, view)
}

func (r *compactionRun) sync() error {
	if err := r.log.Sync(); err != nil {
		return err
	}
	r.synced = r.log.End()
	for o, kv := range r.wrote {
		if key, _, _ := cutKV(kv); o < r.synced && o >= r.newest[key] {
			r.newest[key] = o
		}
	}
	return nil
}

func cutKV(kv string) (key, value string, ok bool) { return kv[:2], kv[3:], true }

// compact runs a pass, with an append between each two steps of it.
func (r *compactionRun) compact() error {
	c, err := r.log.Compact(CompactOptions{Below: r.log.End(), DeleteRetentionMs: 1})
	if err != nil || c == nil {
		return err
	}
	for {
		more, err := c.Next(context.Background())
		if err == nil && more {
			if err = r.append(); err == nil {
				err = r.log.Adopt(c)
			}
		}
		if err != nil || !more {
			return errors.Join(err, c.Close())
		}
	}
}

// check opens what a crash has left, holds it against what was promised,
// compacts it, and holds it against that again.
func (r *compactionRun) check(fs vfs.FS) error {
	l, err := Open(fs, "/log", compactionConfig)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := r.checkLog(l); err != nil {
		return err
	}
	if err := l.Checkpoint(); err != nil {
		return err
	}
	if _, err := compactWhole(l, CompactOptions{Below: l.End(), DeleteRetentionMs: 1}); err != nil {
		return fmt.Errorf("compact again: %w", err)
	}
	if err := r.checkLog(l); err != nil {
		return fmt.Errorf("after another pass: %w", err)
	}
	return r.checkFiles(l, fs)
}

func (r *compactionRun) checkLog(l *Log) error {
	if l.End() < r.synced {
		return fmt.Errorf("the log ends at %d, synced up to %d", l.End(), r.synced)
	}
	records, _, err := readAll(l)
	if err != nil {
		return err
	}
	found := map[string]protocol.Offset{}
	for _, k := range records {
		if r.wrote[k.offset] != k.key+"="+k.value {
			return fmt.Errorf("offset %d holds %s=%s, written was %s", k.offset, k.key, k.value, r.wrote[k.offset])
		}
		found[k.key] = k.offset
	}
	for key, o := range r.newest {
		if found[key] < o {
			return fmt.Errorf("the newest record of %s is at %d, should be at %d", key, found[key], o)
		}
	}
	return nil
}

// checkFiles proves that no file is left behind.
func (r *compactionRun) checkFiles(l *Log, fs vfs.FS) error {
	names, err := fs.List("/log")
	if err != nil {
		return err
	}
	s := l.snap.Load()
	m := &manifest{segments: append(slices.Clone(s.sealed), s.active)}
	for _, name := range names {
		if base, edition, ok := parseName(name, logSuffix); ok && !m.has(base, edition) {
			return fmt.Errorf("%s is left over", name)
		}
		if base, edition, ok := parseName(name, indexSuffix); ok && !m.has(base, edition) {
			return fmt.Errorf("%s is left over", name)
		}
	}
	return nil
}

func newCompactionRun(t testing.TB, seed uint64) *compactionRun {
	return &compactionRun{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), wrote: map[protocol.Offset]string{}, newest: map[string]protocol.Offset{},
	}
}

// The goal: whatever moment of a compaction the power fails at, the log opens,
// the newest record of each key is there, and the next pass cleans up. Method:
// before every write, sync, rename and removal the file system is cloned as a
// power cut would leave it.
func TestPowerCutAtAnyMomentOfACompactionLosesNothing(t *testing.T) {
	for seed := range uint64(3) {
		mem := vfs.NewCrashableMem()
		r := newCompactionRun(t, seed)
		rng := rand.New(rand.NewPCG(seed, 2))
		ops := 0
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			ops++
			for _, percent := range []int{0, 50, 100} {
				if err := r.check(mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})); err != nil {
					t.Fatalf("seed %d: power cut before write %d, %v of %s, %d %% survived: %v", seed, ops, op.Kind, op.Path, percent, err)
				}
			}
			return nil
		}))
		must(t, r.run(fs))
		must(t, r.check(mem))
		t.Logf("%d moments", ops)
	}
}

// The goal: an error of the disk at any operation of a compaction loses
// nothing: it ends the pass or, where the log itself was being changed, is
// final. Method: a run with an error at every index.
func TestAnyErrorDuringACompactionLosesNothing(t *testing.T) {
	for i := 1; ; i++ {
		mem := vfs.NewCrashableMem()
		r := newCompactionRun(t, 5)
		ops := 0
		err := r.run(errorfs.Wrap(mem, errorfs.InjectorFunc(func(errorfs.Op) error {
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
		if r.log != nil && r.log.w.failed == nil {
			if err := r.checkLog(r.log); err != nil {
				t.Fatalf("error at operation %d, and the log goes on: %v", i, err)
			}
		}
		for _, fs := range []*vfs.MemFS{mem.CrashClone(vfs.CrashCloneCfg{}), mem} {
			if err := r.check(fs); err != nil {
				t.Fatalf("error at operation %d: %v", i, err)
			}
		}
	}
}
