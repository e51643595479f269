package segment

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// The goal: zeros are written ahead of small groups that are synced one by
// one, survive a killed process without being taken for a torn tail, and are
// gone after Close. Method: the real file system.
func TestZerosAheadOfSmallGroupsAreNoTornTail(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(vfs.Default, dir, Config{})
	must(t, err)
	for base := protocol.Offset(0); base < 40; base++ {
		must(t, l.Append(0, records(t, base, 1, 100)))
		must(t, l.Sync())
	}
	size := l.Size()
	if got := sizeOnDisk(t, dir); got < size+fillMin/2 {
		t.Fatalf("the file has %d bytes, %d of them batches", got, size)
	}
	// Killed: nothing is closed.
	again, err := Open(vfs.Default, dir, Config{})
	must(t, err)
	if r := again.Recovery(); again.End() != 40 || r.Clean || r.TruncatedBytes != 0 {
		t.Fatalf("end %d, %+v", again.End(), r)
	}
	must(t, again.Append(0, records(t, 40, 1, 100)))
	must(t, again.Close())
	if got := sizeOnDisk(t, dir); got != again.Size() {
		t.Fatalf("the file has %d bytes after Close, %d of them batches", got, again.Size())
	}
	_ = l.w.closeFiles()
	_ = l.files.Close()
}

// The goal: who writes large groups does not pay for zeros as well.
func TestNoZerosAheadOfLargeGroups(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(vfs.Default, dir, Config{})
	must(t, err)
	for base := protocol.Offset(0); base < 20; base++ {
		must(t, l.Append(0, records(t, base, 1, fillBelow)))
		must(t, l.Sync())
	}
	if got := sizeOnDisk(t, dir); got != l.Size() {
		t.Fatalf("the file has %d bytes, %d of them batches", got, l.Size())
	}
	must(t, l.Close())
}

func sizeOnDisk(t *testing.T, dir string) int64 {
	t.Helper()
	n, err := fileSize(vfs.Default, dir+"/"+logName(at(0)))
	must(t, err)
	return n
}
