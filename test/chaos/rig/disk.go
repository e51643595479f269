package rig

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Disk is a small ext4 in a file, mounted for one node.
type Disk struct {
	image, Mount string
}

// fsIocShutdown is ext4's ioctl that stops a file system: with flushed when all that
// is under way is on disk, with withoutFlush at once, and what was not synced is
// lost, as when the power goes.
const (
	fsIocShutdown = 0x8004587d
	flushed       = 0
	withoutFlush  = 2
)

// NewDisk makes and mounts a file system of so many bytes under dir. An error
// says what the machine does not permit.
func NewDisk(dir string, bytes int64) (*Disk, error) {
	d := &Disk{filepath.Join(dir, "disk.image"), filepath.Join(dir, "disk")}
	if err := os.MkdirAll(d.Mount, 0o755); err != nil {
		return nil, err
	}
	if err := command("truncate", "-s", strconv.FormatInt(bytes, 10), d.image); err != nil {
		return nil, err
	}
	if err := command("mkfs.ext4", "-q", "-m", "0", d.image); err != nil {
		return nil, err
	}
	return d, d.mount()
}

func (d *Disk) mount() error { return command("mount", "-o", "loop", d.image, d.Mount) }

// CutPower stops the file system: from now on every write and sync of it fails,
// and what was not synced is gone.
//
// Who uses it must be frozen first (Node.Freeze), and be killed before it goes on:
// a machine without power tells nobody anything. The kernel does not see to that.
// A sync that is under way may return as if it had succeeded and be lost all the
// same: where the file's space was allocated ahead and not written, as etcd's log
// is, that happened in one of 16 cuts.
func (d *Disk) CutPower() error { return d.shutDown(withoutFlush) }

// Fail stops the file system as it is: from now on every write and sync of it
// fails, and what had succeeded before is on disk. The processes that use it live on.
func (d *Disk) Fail() error { return d.shutDown(flushed) }

func (d *Disk) shutDown(how int) error {
	fd, err := unix.Open(d.Mount, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.IoctlSetPointerInt(fd, fsIocShutdown, how)
}

// pinnedFor is how long a process may take to let go of a disk, and a kernel to
// notice.
const pinnedFor = 5 * time.Second

// PowerOn mounts the file system again, as it was on disk. Nobody may use it: a
// file system that somebody holds on to stays as it is, without power, and would
// only be mounted once more. So who does is the error.
func (d *Disk) PowerOn() error {
	device, err := deviceOf(d.Mount)
	if err != nil {
		return err
	}
	err = command("umount", d.Mount)
	for end := time.Now().Add(pinnedFor); ; time.Sleep(50 * time.Millisecond) {
		by := pins(device, d.Mount)
		if err == nil && len(by) == 0 {
			return d.mount()
		}
		if time.Now().After(end) {
			return errors.Join(err, pinned(d.Mount, by))
		}
		if err != nil {
			err = command("umount", d.Mount)
		}
	}
}

const ballast = "ballast"

// Fill leaves no room on the file system.
func (d *Disk) Fill() error {
	f, err := os.Create(filepath.Join(d.Mount, ballast))
	if err != nil {
		return err
	}
	defer f.Close()
	var size int64
	for step := int64(64 << 20); step >= 4096; {
		switch err := unix.Fallocate(int(f.Fd()), 0, size, step); {
		case errors.Is(err, unix.ENOSPC):
			step /= 2
		case err != nil:
			return fmt.Errorf("fill %s: %w", d.Mount, err)
		default:
			size += step
		}
	}
	return nil
}

// Empty gives the room back.
func (d *Disk) Empty() error {
	err := os.Remove(filepath.Join(d.Mount, ballast))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Unmount takes the file system away, whoever uses it.
func (d *Disk) Unmount() error { return command("umount", "-l", d.Mount) }
