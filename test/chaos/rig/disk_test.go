package rig

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAPowerCutKeepsWhatWasSyncedAndNothingElse, and a disk that is full says so.
func TestAPowerCutKeepsWhatWasSyncedAndNothingElse(t *testing.T) {
	d, err := NewDisk(t.TempDir(), 64<<20)
	if err != nil {
		t.Skipf("skip: no file system of its own: %v", err)
	}
	t.Cleanup(func() { _ = d.Unmount() })
	write := func(name string, sync bool) error {
		f, err := os.Create(filepath.Join(d.Mount, name))
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.Write(make([]byte, 8192)); err != nil || !sync {
			return err
		}
		return f.Sync()
	}
	if err := write("synced", true); err != nil {
		t.Fatal(err)
	}
	if err := write("unsynced", false); err != nil {
		t.Fatal(err)
	}
	if err := d.CutPower(); err != nil {
		t.Fatal(err)
	}
	if write("after", true) == nil {
		t.Error("a disk without power takes writes")
	}
	if err := d.PowerOn(); err != nil {
		t.Fatal(err)
	}
	if stat, err := os.Stat(filepath.Join(d.Mount, "synced")); err != nil || stat.Size() != 8192 {
		t.Errorf("the synced file: %v", err)
	}
	if stat, err := os.Stat(filepath.Join(d.Mount, "unsynced")); err == nil && stat.Size() == 8192 {
		t.Error("the power cut lost nothing: the test shows nothing")
	}
	if err := d.Fill(); err != nil {
		t.Fatal(err)
	}
	if err := write("more", true); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk: %v", err)
	}
	if err := d.Empty(); err != nil {
		t.Fatal(err)
	}
	if err := write("more", true); err != nil {
		t.Error(err)
	}
}
