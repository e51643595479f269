package rig

import (
	"errors"
	"os"
	"os/exec"
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

// TestAFailedDiskKeepsWhatWasWritten and takes nothing more, until it is mounted anew.
func TestAFailedDiskKeepsWhatWasWritten(t *testing.T) {
	d, err := NewDisk(t.TempDir(), 64<<20)
	if err != nil {
		t.Skipf("skip: no file system of its own: %v", err)
	}
	t.Cleanup(func() { _ = d.Unmount() })
	name := filepath.Join(d.Mount, "file")
	if err := os.WriteFile(name, make([]byte, 8192), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.Fail(); err != nil {
		t.Fatal(err)
	}
	if os.WriteFile(name+"2", make([]byte, 8192), 0o644) == nil {
		t.Error("a disk that has failed takes writes")
	}
	if err := d.PowerOn(); err != nil {
		t.Fatal(err)
	}
	if stat, err := os.Stat(name); err != nil || stat.Size() != 8192 {
		t.Errorf("what was written before: %v", err)
	}
}

// TestAFrozenProcessStandsStill with all of its threads.
func TestAFrozenProcessStandsStill(t *testing.T) {
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &Node{ID: 1, cmd: cmd, gone: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(n.gone) }()
	defer n.Kill()
	if frozen(n.PID()) {
		t.Error("a process that runs is taken for frozen")
	}
	if err := n.Freeze(); err != nil || !frozen(n.PID()) {
		t.Errorf("frozen: %v, %v", frozen(n.PID()), err)
	}
}
