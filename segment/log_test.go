package segment

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.uber.org/goleak"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("SEGMENT_TEST_LOCK"); dir != "" {
		_, err := LockDir(vfs.Default, dir)
		fmt.Print(err)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// The goal: readers never see anything but what was appended, while the log
// grows, rolls, and is trimmed. Method: both at once, for the race detector too.
func TestReadersGoOnWhileTheLogGrowsAndIsTrimmed(t *testing.T) {
	fs := vfs.Default
	l, err := Open(fs, t.TempDir(), Config{SegmentBytes: 20_000, IndexIntervalBytes: 500, RetentionBytes: protocol.LimitOf(60_000)})
	must(t, err)
	var done atomic.Bool
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			from, buf := protocol.Offset(0), []byte(nil)
			for !done.Load() || from < l.End() {
				r, err := l.Read(from, l.End(), 3000, true)
				if errors.Is(err, ErrOffsetOutOfRange) {
					from = l.Start()
					continue
				}
				if err == nil {
					buf, err = r.AppendTo(buf[:0])
					r.Close()
				}
				if err != nil {
					t.Errorf("read at %d: %v", from, err)
					return
				}
				for b := buf; len(b) > 0; {
					one, n, err := record.View(b)
					if err != nil || !bytes.Equal(one.Bytes(), records(t, one.BaseOffset(), 2, 300).Bytes()) {
						t.Errorf("at offset %d: %v", one.BaseOffset(), err)
						return
					}
					b = b[n:]
				}
				from = r.NextOffset()
			}
		})
	}
	for i := range 600 {
		base := l.End()
		must(t, l.Append(0, records(t, base, 2, 300), records(t, base+2, 2, 300)))
		if i%50 == 0 {
			_, err := l.Retain(0, l.End())
			must(t, err)
		}
	}
	done.Store(true)
	wg.Wait()
	must(t, l.Close())
	if _, err := l.Read(l.Start(), everything, 1, true); !errors.Is(err, ErrClosed) {
		t.Fatalf("read of a closed log: %v", err)
	}
}

// The goal: a thousand idle partitions cost little memory and no descriptors.
func TestIdleLogIsSmall(t *testing.T) {
	fs, dir := vfs.Default, t.TempDir()
	files := NewFiles(fs, 16)
	cfg := Config{Files: files}
	const n = 100
	for i := range n {
		l, err := Open(fs, fmt.Sprintf("%s/%d", dir, i), cfg)
		must(t, err)
		must(t, l.Append(0, records(t, 0, 10, 100), records(t, 10, 10, 10_000)))
		must(t, l.Close())
	}
	descriptors := openDescriptors(t)
	before := heap()
	logs := make([]*Log, n)
	for i := range logs {
		l, err := Open(fs, fmt.Sprintf("%s/%d", dir, i), cfg)
		must(t, err)
		logs[i] = l
	}
	each := (heap() - before) / n
	t.Logf("%d bytes each", each)
	if each > 3<<10 {
		t.Errorf("an idle log takes %d bytes", each)
	}
	if got := openDescriptors(t); got > descriptors {
		t.Errorf("%d descriptors for idle logs", got-descriptors)
	}
	for _, l := range logs {
		must(t, l.Close())
	}
	must(t, files.Close())
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("descriptors cannot be counted here:", err)
	}
	return len(names)
}

// The goal: what File offers for sendfile is what AppendTo gives, and is
// verified when this process wrote it or has read it.
func TestFileOffersTheSameBytesAndKnowsWhatIsVerified(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(vfs.Default, dir, Config{})
	must(t, err)
	must(t, l.Append(0, records(t, 0, 2, recentBatchMax)))
	checkRead(t, l, 0, true)
	must(t, l.Close())
	l, err = Open(vfs.Default, dir, Config{})
	must(t, err)
	must(t, l.Append(0, records(t, 2, 2, recentBatchMax)))
	checkRead(t, l, 2, true)
	checkRead(t, l, 0, false)
	checkRead(t, l, 0, true)
	must(t, l.Close())
}

func checkRead(t *testing.T, l *Log, from protocol.Offset, wantVerified bool) {
	t.Helper()
	r, err := l.Read(from, from+2, 1<<20, true)
	must(t, err)
	defer r.Close()
	fd, pos, n, verified := r.File()
	if verified != wantVerified {
		t.Errorf("offset %d: verified is %v", from, verified)
	}
	if fd == vfs.InvalidFd || n != int64(r.Len()) {
		t.Fatalf("descriptor %d, %d bytes", fd, n)
	}
	want := make([]byte, n)
	_, err = r.file.ReadAt(want, pos)
	must(t, err)
	got, err := r.AppendTo(nil)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Error("other bytes")
	}
}

// The goal: two brokers never use one data directory, and the second is told
// who the first is. Method: one in this process, and one in another.
func TestSecondUserOfADirectoryIsToldAboutTheFirst(t *testing.T) {
	dir := t.TempDir() + "/data"
	lock, err := LockDir(vfs.Default, dir)
	must(t, err)
	self := fmt.Sprintf("process %d on ", os.Getpid())
	if _, err := LockDir(vfs.Default, dir); err == nil || !strings.Contains(err.Error(), self) {
		t.Errorf("the same process: %v", err)
	}
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "SEGMENT_TEST_LOCK="+dir)
	out, err := other.CombinedOutput()
	must(t, err)
	if !strings.Contains(string(out), self) || !strings.Contains(string(out), "is in use") {
		t.Errorf("another process: %s", out)
	}
	must(t, lock.Close())
	lock, err = LockDir(vfs.Default, dir)
	must(t, err)
	must(t, lock.Close())
}

// The goal: opening takes no longer for a longer log. Method: count the bytes
// of batches that are read when a log of many segments is opened after a crash.
func TestOpenReadsNoMoreThanWhatIsBehindTheRecoveryPoint(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Config{SegmentBytes: 100_000})
	for l.Size() < 2_000_000 {
		must(t, l.Append(0, records(t, l.End(), 10, 1000)))
	}
	tail := l.w.state.active.size
	again := open(t, fs, Config{})
	if r := again.Recovery(); r.Clean || r.ScannedBytes != tail {
		t.Fatalf("%+v, %d bytes are behind the recovery point", r, tail)
	}
	must(t, again.Close())
	_ = l.w.closeFiles()
}

// The goal: an index that is lost or damaged costs time and nothing else.
func TestLostIndexIsBuiltAgain(t *testing.T) {
	for what, damage := range map[string]func(b []byte) []byte{
		"missing":   nil,
		"empty":     func([]byte) []byte { return nil },
		"shortened": func(b []byte) []byte { return b[:chunkSize] },
		"zeros":     func(b []byte) []byte { return make([]byte, len(b)) },
		"another's": func([]byte) []byte { return encodeChunk(7, 0, []entry{{offset: 8, pos: 100}}) },
		"wrong":     func([]byte) []byte { return encodeChunk(0, 0, []entry{{offset: 8, pos: 100}}) },
	} {
		fs := vfs.NewMem()
		l := open(t, fs, Config{SegmentBytes: 20_000, IndexIntervalBytes: 100})
		for l.Segments() < 2 || l.w.state.active.entries < chunkEntries+10 {
			must(t, l.Append(0, records(t, l.End(), 2, 20)))
		}
		must(t, l.Close())
		image := imageOf(t, fs)
		want, err := image.serve(t)
		must(t, err)
		for _, base := range []protocol.Offset{0, l.w.state.active.base} {
			changed := image.with(indexName(at(base)), nil)
			if damage != nil {
				changed[indexName(at(base))] = damage(image[indexName(at(base))])
			} else {
				delete(changed, indexName(at(base)))
			}
			if got, err := changed.serve(t); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, at %d: %d bytes, %v", what, base, len(got), err)
			}
		}
	}
}

// The goal: a batch that claims to reach beyond the high watermark does not
// make readers wait for ever. Method: its last offset is damaged, which a look
// at headers cannot see.
func TestBatchThatSeemsToReachBeyondTheBoundIsProven(t *testing.T) {
	fs := vfs.NewMem()
	l := open(t, fs, Config{})
	must(t, l.Append(0, records(t, 0, 2, 10), records(t, 2, 2, 10)))
	must(t, l.Close())
	image := imageOf(t, fs)
	b := bytes.Clone(image[logName(at(0))])
	b[26] += 5
	l = open(t, image.with(logName(at(0)), b).mount(t), Config{})
	r, err := l.Read(0, 2, 1000, true)
	if !isCorrupt(err) {
		t.Fatalf("%d bytes, %v", r.Len(), err)
	}
	must(t, l.Close())
}

// The goal: a range whose bytes were cut off, and others written in their
// place, is not taken for damage.
func TestRangeThatWasCutOffIsNotTakenForDamage(t *testing.T) {
	l, err := Open(vfs.Default, t.TempDir(), Config{})
	must(t, err)
	must(t, l.Append(0, records(t, 0, 2, 10), records(t, 2, 2, recentBatchMax)))
	r, err := l.Read(2, everything, 1000, true)
	must(t, err)
	must(t, l.Truncate(2))
	must(t, l.Append(0, records(t, 2, 1, 3*recentBatchMax)))
	if _, err := r.AppendTo(nil); !errors.Is(err, ErrOffsetOutOfRange) {
		t.Fatalf("%v", err)
	}
	r.Close()
	must(t, l.Close())
}

// The goal: a directory that cannot be locked says why, and does not blame a
// process that is long dead; a full disk is no reason. Method: the three, injected.
func TestADirectoryThatCannotBeLockedSaysWhy(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EACCES: "cannot be written to: open /data/LOCK: permission denied",
		syscall.EROFS:  "cannot be written to: open /data/LOCK: read-only file system",
	} {
		mem := vfs.NewMem()
		must(t, mem.MkdirAll("/data", 0o755))
		must(t, writeFile(mem, "/data", ownerName, []byte("process 4711 on elsewhere\n")))
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpLock {
				return &os.PathError{Op: "open", Path: op.Path, Err: errno}
			}
			return nil
		}))
		_, err := LockDir(fs, "/data")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "4711") {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

func TestADirectoryOnAFullDiskIsLocked(t *testing.T) {
	mem := vfs.NewMem()
	must(t, mem.MkdirAll("/data", 0o755))
	must(t, writeFile(mem, "/data", ownerName, []byte("process 4711 on elsewhere\n")))
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite {
			return &os.PathError{Op: "write", Path: op.Path, Err: syscall.ENOSPC}
		}
		return nil
	}))
	lock, err := LockDir(fs, "/data")
	must(t, err)
	if who := owner(mem, "/data"); who != "" {
		t.Errorf("it is said to be in use%s", who)
	}
	must(t, lock.Close())
}
