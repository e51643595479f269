package partitions

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/segment"
)

// directoryOf has two logs of several segments in a data directory.
func directoryOf(t *testing.T) (data string, logs []string) {
	t.Helper()
	data = t.TempDir()
	for _, name := range []string{"a-0.AAAAAAAAAAAAAAAAAAAAAQ", "b-7.AAAAAAAAAAAAAAAAAAAAAg"} {
		dir := filepath.Join(data, "logs", name)
		l, err := segment.Open(vfs.Default, dir, segment.Config{SegmentBytes: 300})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			b, err := record.NewBuilder(record.CodecNone).Place(l.End(), 0).Add(record.Record{Timestamp: 1, Value: make([]byte, 100)}).Build()
			if err != nil {
				t.Fatal(err)
			}
			batch, _, err := record.View(b)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Append(0, batch); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		logs = append(logs, dir)
	}
	return data, logs
}

// Where a log had to be cut, those without a gap are suspect as well, unless the
// directory is known to be no copy; and where none had, none is.
func TestARepairSaysWhichLogsMayLackSomething(t *testing.T) {
	for _, c := range []struct {
		hurt, original, dry bool
		want                []string
	}{
		{want: nil},
		{hurt: true, dry: true, want: nil},
		{hurt: true, want: []string{"AAAAAAAAAAAAAAAAAAAAAQ-0", "AAAAAAAAAAAAAAAAAAAAAg-7"}},
		{hurt: true, original: true, want: []string{"AAAAAAAAAAAAAAAAAAAAAQ-0"}},
	} {
		data, logs := directoryOf(t)
		if err := WriteCleanShutdown(vfs.Default, data, 7); err != nil {
			t.Fatal(err)
		}
		if c.hurt {
			files, _ := filepath.Glob(filepath.Join(logs[0], "*.log"))
			slices.Sort(files)
			if err := os.Remove(files[1]); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Repair(vfs.Default, RepairOptions{DataDir: data, DryRun: c.dry, Original: c.original, Now: time.Unix(0, 0)})
		if err != nil || len(r.Logs) != 2 || r.Logs[0].Whole.Right() == c.hurt || !r.Logs[1].Whole.Right() {
			t.Fatalf("%+v: %+v, %v", c, r, err)
		}
		list, _ := os.ReadFile(filepath.Join(data, repairedLogsFile))
		if got := strings.Fields(string(list)); !slices.Equal(got, c.want) {
			t.Errorf("%+v: suspect are %v", c, got)
		}
		clean, err := ReadCleanShutdown(vfs.Default, data)
		if err != nil || (clean != 0) != (c.want == nil) {
			t.Errorf("%+v: stopped in order by %d, %v", c, clean, err)
		}
	}
}

// A lock base that cannot be opened is put aside, for it is never truth.
func TestARepairPutsALockBaseAsideThatCannotBeOpened(t *testing.T) {
	data, _ := directoryOf(t)
	locks := filepath.Join(data, "locks")
	if err := os.MkdirAll(locks, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"marker.manifest.000001.MANIFEST-000001": "", "MANIFEST-000001": "this is none"} {
		if err := os.WriteFile(filepath.Join(locks, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Repair(vfs.Default, RepairOptions{DataDir: data, Now: time.Unix(0, 0)})
	if err != nil || r.Locks == nil {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(r.Aside, "locks", "MANIFEST-000001")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(locks); err == nil {
		t.Error("it is still there")
	}
}

func TestARepairNeedsADataDirectory(t *testing.T) {
	if _, err := Repair(vfs.Default, RepairOptions{DataDir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "is no data directory") {
		t.Errorf("got %v", err)
	}
}
