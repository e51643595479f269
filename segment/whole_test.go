package segment

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

const wholeDir = "/data/logs/t-0"

// longLog is a log of many segments with two records a batch, and its bytes.
func longLog(t *testing.T, fs vfs.FS, closed bool) (all []byte, end protocol.Offset) {
	t.Helper()
	must(t, fs.MkdirAll(wholeDir, 0o755))
	l, err := Open(fs, wholeDir, Config{SegmentBytes: 4000, IndexIntervalBytes: 600})
	must(t, err)
	for range 60 {
		must(t, l.Append(0, records(t, l.End(), 2, 300)))
	}
	must(t, l.Sync())
	must(t, l.Checkpoint())
	all, err = contents(l)
	must(t, err)
	end = l.End()
	if closed {
		must(t, l.Close())
		return all, end
	}
	must(t, l.w.closeFiles())
	must(t, l.files.Close())
	return all, end
}

// sizeBelow is how many bytes the batches below an offset have.
func sizeBelow(t *testing.T, all []byte, end protocol.Offset) (size int) {
	t.Helper()
	for size < len(all) {
		b, n, err := record.View(all[size:])
		must(t, err)
		if b.BaseOffset() >= end {
			break
		}
		size += n
	}
	return size
}

func logFiles(t *testing.T, fs vfs.FS, dir string) []string {
	t.Helper()
	names, err := fs.List(dir)
	must(t, err)
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, logSuffix) })
	slices.Sort(names)
	return names
}

func bytesOf(t *testing.T, fs vfs.FS, path string) []byte {
	t.Helper()
	b, err := readFile(fs, path)
	must(t, err)
	return b
}

func write(t *testing.T, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	must(t, err)
	_, err = f.Write(b)
	must(t, errors.Join(err, f.Close()))
}

// TestWhatIsWholeOfALogIsReadAndRepaired hurts a log of many segments in one way
// after the other. Up to the hurt everything is read, nothing is written; a
// repair makes it the log, and the rest is put aside, byte for byte.
func TestWhatIsWholeOfALogIsReadAndRepaired(t *testing.T) {
	for _, c := range []struct {
		name  string
		hurt  func(t *testing.T, fs vfs.FS, files []string)
		gap   int    // segments before it
		whole int    // batches of the segment that it is in
		why   string // of the first that is left out
	}{
		{"a segment in the middle is missing", func(t *testing.T, fs vfs.FS, files []string) {
			must(t, fs.Remove(fs.PathJoin(wholeDir, files[3])))
		}, 3, 0, "missing"},
		{"the newest segments are missing", func(t *testing.T, fs vfs.FS, files []string) {
			for _, f := range files[4:] {
				must(t, fs.Remove(fs.PathJoin(wholeDir, f)))
			}
		}, 4, 0, "missing"},
		{"the first segment is missing", func(t *testing.T, fs vfs.FS, files []string) {
			must(t, fs.Remove(fs.PathJoin(wholeDir, files[0])))
		}, 0, 0, "missing"},
		{"a segment is too short", func(t *testing.T, fs vfs.FS, files []string) {
			path := fs.PathJoin(wholeDir, files[2])
			write(t, fs, path, bytesOf(t, fs, path)[:1000])
		}, 2, 1, "1000 bytes"},
		{"the active segment is too short", func(t *testing.T, fs vfs.FS, files []string) {
			path := fs.PathJoin(wholeDir, files[len(files)-1])
			write(t, fs, path, bytesOf(t, fs, path)[:100])
		}, -1, 0, "100 bytes"},
	} {
		for _, closed := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				fs := vfs.NewMem()
				all, last := longLog(t, fs, closed)
				files := logFiles(t, fs, wholeDir)
				gap := c.gap
				if gap < 0 {
					gap = len(files) - 1
				}
				c.hurt(t, fs, files)
				base, _, _ := parseName(files[gap], logSuffix)
				end := base + protocol.Offset(2*c.whole)
				before := map[string][]byte{}
				for _, f := range logFiles(t, fs, wholeDir) {
					before[f] = bytesOf(t, fs, fs.PathJoin(wholeDir, f))
				}
				size := sizeBelow(t, all, end)

				_, err := Open(fs, wholeDir, Config{})
				var damage *CorruptError
				if !errors.As(err, &damage) {
					t.Fatalf("it opens: %v", err)
				}
				l, whole, err := OpenWhole(fs, wholeDir, Config{}, err)
				must(t, err)
				got, err := contents(l)
				must(t, err)
				if l.End() != end || whole.End != end || whole.Known < last && closed || !bytes.Equal(got, all[:size]) {
					t.Errorf("whole up to %d, known up to %d, %d bytes; want %d, %d and %d", whole.End, whole.Known, len(got), end, last, size)
				}
				if first := whole.LeftOut[0]; !strings.Contains(first.Why, c.why) || first.First != end {
					t.Errorf("left out first: %+v", first)
				}
				if err := l.Append(0, records(t, l.End(), 2, 300)); !errors.As(err, &damage) {
					t.Errorf("it was written to: %v", err)
				}
				l.Close()
				for f, b := range before {
					if !bytes.Equal(b, bytesOf(t, fs, fs.PathJoin(wholeDir, f))) {
						t.Errorf("looking at it has changed %s", f)
					}
				}

				repaired, err := Repair(fs, wholeDir, "/data/left-out")
				must(t, err)
				if repaired.End != end {
					t.Errorf("repaired up to %d, want %d", repaired.End, end)
				}
				l, err = Open(fs, wholeDir, Config{SegmentBytes: 4000, IndexIntervalBytes: 600})
				must(t, err)
				for range 30 {
					must(t, l.Append(0, records(t, l.End(), 2, 300)))
				}
				got, err = contents(l)
				must(t, err)
				if !bytes.HasPrefix(got, all[:size]) || l.End() != end+60 {
					t.Errorf("after the repair it ends at %d, and begins with other bytes or not", l.End())
				}
				must(t, l.Close())
				for f, b := range before {
					if kept, err := readFile(fs, fs.PathJoin(wholeDir, f)); err == nil && bytes.HasPrefix(kept, b) {
						continue
					}
					if got, err := readFile(fs, fs.PathJoin("/data/left-out", f)); err != nil || !bytes.Equal(got, b) {
						t.Errorf("%s is not put aside as it was: %v", f, err)
					}
				}
			})
		}
	}
}

// TestAByteThatTurnsIsFoundByARepair though Open trusts segments that were closed.
func TestAByteThatTurnsIsFoundByARepair(t *testing.T) {
	fs := vfs.NewMem()
	all, _ := longLog(t, fs, true)
	files := logFiles(t, fs, wholeDir)
	path := fs.PathJoin(wholeDir, files[2])
	b := bytesOf(t, fs, path)
	b[len(b)-20] ^= 1
	write(t, fs, path, b)
	w, err := Repair(fs, wholeDir, "/data/left-out")
	must(t, err)
	next, _, _ := parseName(files[3], logSuffix)
	if w.End != next-2 || !strings.Contains(w.LeftOut[0].Why, "at byte ") || w.LeftOut[0].Bytes == 0 {
		t.Errorf("it is whole up to %d, want %d: %+v", w.End, next-2, w.LeftOut)
	}
	l, err := Open(fs, wholeDir, Config{})
	must(t, err)
	got, err := contents(l)
	must(t, err)
	if !bytes.HasPrefix(all, got) || l.End() != w.End {
		t.Errorf("%d bytes up to %d", len(got), l.End())
	}
	must(t, l.Close())
}

// TestALogWhoseManifestIsOlderIsTakenUpToItsLastBatch, as in a copy of a running
// broker that has the manifest first and the newest segments last.
func TestALogWhoseManifestIsOlderIsTakenUpToItsLastBatch(t *testing.T) {
	fs := vfs.NewMem()
	must(t, fs.MkdirAll(wholeDir, 0o755))
	l, err := Open(fs, wholeDir, Config{SegmentBytes: 4000})
	must(t, err)
	must(t, l.Append(0, records(t, 0, 2, 300)))
	must(t, l.Checkpoint())
	old := bytesOf(t, fs, fs.PathJoin(wholeDir, manifestName))
	for range 40 {
		must(t, l.Append(0, records(t, l.End(), 2, 300)))
	}
	all, err := contents(l)
	must(t, err)
	must(t, l.Close())
	write(t, fs, fs.PathJoin(wholeDir, manifestName), old)
	w, err := Repair(fs, wholeDir, "/data/left-out")
	must(t, err)
	if len(w.LeftOut) != 0 || w.Found == 0 || w.End != 82 {
		t.Fatalf("whole up to %d, with %d that were found, and left out is %+v", w.End, w.Found, w.LeftOut)
	}
	l, err = Open(fs, wholeDir, Config{})
	must(t, err)
	if got, err := contents(l); err != nil || !bytes.Equal(got, all) {
		t.Errorf("%d bytes of %d, %v", len(got), len(all), err)
	}
	must(t, l.Close())
}

func TestAWholeLogIsLeftAloneByARepair(t *testing.T) {
	fs := vfs.NewMem()
	longLog(t, fs, true)
	manifest := bytesOf(t, fs, fs.PathJoin(wholeDir, manifestName))
	w, err := Repair(fs, wholeDir, "/data/left-out")
	if err != nil || len(w.LeftOut) != 0 || w.End != 120 || w.Known != 120 {
		t.Errorf("%+v, %v", w, err)
	}
	if !bytes.Equal(manifest, bytesOf(t, fs, fs.PathJoin(wholeDir, manifestName))) {
		t.Error("it was written to")
	}
	if _, err := fs.Stat("/data/left-out"); !notExist(err) {
		t.Errorf("something was put aside: %v", err)
	}
}
