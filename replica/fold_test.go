package replica

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// countFold is a fold that counts records. It is saved beside the log once every so
// many offsets, and cannot do without what it has not saved.
type countFold struct {
	every          int64
	records        int64
	applied, saved protocol.Offset
	seen           []protocol.Offset // what was applied since it was opened
}

func (f *countFold) Name() string { return "count" }

func (f *countFold) Open(log Log) error {
	f.records, f.applied, f.seen = 0, log.Start(), nil
	if at, data, ok := log.ReadCheckpoint("count", log.End()); ok {
		f.records, f.applied = int64(binary.BigEndian.Uint64(data)), at
	}
	f.saved = f.applied
	return nil
}

func (f *countFold) Forget() error                  { return nil }
func (f *countFold) Applied() protocol.Offset       { return f.applied }
func (f *countFold) NeedsRecords(record.Batch) bool { return false }
func (f *countFold) Saved() protocol.Offset         { return f.saved }
func (f *countFold) Needs() protocol.Offset         { return f.saved }
func (f *countFold) Close()                         {}

func (f *countFold) Apply(b record.Batch, _ *record.Records, _ int64) {
	f.records += int64(b.Count())
	f.applied = b.NextOffset()
	f.seen = append(f.seen, b.BaseOffset())
}

func (f *countFold) Due(log Log, _ protocol.Offset, _ int64) (bool, error) {
	return int64(log.End()-f.saved) >= f.every, nil
}

func (f *countFold) Checkpoint(protocol.Offset, int64) ([]byte, error) {
	f.saved = f.applied
	return binary.BigEndian.AppendUint64(nil, uint64(f.records)), nil
}

// Goal: a fold that no rule of the machine knows is folded, saved when it says so,
// and goes on from there after a crash. Method: one that counts, on a real
// partition; power is cut behind its checkpoint.
func TestAFoldIsSavedByItsOwnRule(t *testing.T) {
	fs := vfs.NewCrashableMem()
	count := &countFold{every: 3}
	b := openWith(t, fs, count)
	write := func(values ...string) { b.propose(with(t, plain(), values...)) }
	housekeep := func() {
		if err := b.Housekeep(); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "b")
	if housekeep(); count.saved != 0 {
		t.Errorf("saved at %d, and is not due", count.saved)
	}
	write("c")
	if housekeep(); count.saved != 3 {
		t.Errorf("saved at %d, and is due at 3", count.saved)
	}
	write("d", "e")
	if got := b.m.folds.needs(); got > 3 {
		t.Errorf("the log may go below %d, and the fold needs 3", got)
	}
	disk := fs.CrashClone(vfs.CrashCloneCfg{})
	b.close()

	again := &countFold{every: 3}
	b = openWith(t, disk, again)
	if again.records != 5 || !slices.Equal(again.seen, []protocol.Offset{3}) {
		t.Errorf("after the crash it counts %d, and was shown %v", again.records, again.seen)
	}
}
