package partitions

import (
	"log/slog"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/broker/partitions/disktest"
)

// TestAStartOnAFullDiskGivesUpTheReserve, and takes no writes of clients by that.
func TestAStartOnAFullDiskGivesUpTheReserve(t *testing.T) {
	dir := t.TempDir()
	disk := disktest.New()
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
	disk.SetFree(2 << 20)
	if d, err = OpenDiskSpace(disk, dir, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if disk.Has(d.start.path) || disk.Has(d.running.path) {
		t.Error("the reserve is kept")
	}
	disk.SetFree(66 << 20) // what was given up is no room for clients
	time.Sleep(2 * diskLookAge)
	if d.Admit(1) == nil {
		t.Error("the reserve's room was given to clients")
	}
	disk.SetFree(90 << 20)
	d.look()
	if d.keepReserve(); d.start.held {
		t.Error("the reserve was made anew though too little is left then")
	}
}

// TestAWriteThatIsLargerThanTheRoomIsRefused, since it would be final for its partition.
func TestAWriteThatIsLargerThanTheRoomIsRefused(t *testing.T) {
	disk := disktest.New()
	disk.SetFree(150 << 20)
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
