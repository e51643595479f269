package partitions

import (
	"errors"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// sizedFS is a disk that says what the test wants of its size.
type sizedFS struct {
	vfs.FS
	total int64
	free  atomic.Int64
}

func (s *sizedFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{TotalBytes: uint64(s.total), AvailBytes: uint64(s.free.Load())}, nil
}

func (s *sizedFS) has(path string) bool {
	_, err := s.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// TestAStartOnAFullDiskGivesUpTheReserve, and takes no writes of clients by that.
func TestAStartOnAFullDiskGivesUpTheReserve(t *testing.T) {
	dir := t.TempDir()
	disk := &sizedFS{FS: vfs.Default, total: 1 << 30}
	disk.free.Store(1 << 30)
	d, err := OpenDiskSpace(disk, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.keepReserve()
		d.look()
	}
	if !d.start.held || !d.running.held {
		t.Fatalf("nothing is reserved: %+v", d)
	}
	disk.free.Store(2 << 20)
	if d, err = OpenDiskSpace(disk, dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if disk.has(d.start.path) || disk.has(d.running.path) {
		t.Error("the reserve is kept")
	}
	disk.free.Store(66 << 20) // what was given up is no room for clients
	time.Sleep(2 * diskLookAge)
	if d.Admit(1) == nil {
		t.Error("the reserve's room was given to clients")
	}
	disk.free.Store(90 << 20)
	d.look()
	if d.keepReserve(); d.start.held {
		t.Error("the reserve was made anew though too little is left then")
	}
}

// TestAWriteThatIsLargerThanTheRoomIsRefused, since it would be final for its partition.
func TestAWriteThatIsLargerThanTheRoomIsRefused(t *testing.T) {
	disk := &sizedFS{FS: vfs.Default, total: 1 << 30}
	disk.free.Store(150 << 20)
	d, err := OpenDiskSpace(disk, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Admit(1 << 20); err != nil {
		t.Errorf("a small one: %v", err)
	}
	if d.Admit(140<<20) == nil {
		t.Error("a large one is taken")
	}
}
