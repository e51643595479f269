// Package disktest is a disk whose size is what a test says, for the tests of what a
// broker does when there is little room.
package disktest

import (
	"errors"
	"io/fs"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Total is the size of a Disk, in bytes.
const Total = 1 << 30

// Disk is a file system that has as many free bytes as it is told to have.
type Disk struct {
	vfs.FS
	free atomic.Int64
}

// New is the operating system's file system with all of Total free.
func New() *Disk {
	d := &Disk{FS: vfs.Default}
	d.SetFree(Total)
	return d
}

// SetFree says how many bytes are free from now on.
func (d *Disk) SetFree(bytes int64) { d.free.Store(bytes) }

// GetDiskUsage implements vfs.FS.
func (d *Disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{TotalBytes: Total, AvailBytes: uint64(d.free.Load())}, nil
}

// Has reports whether there is such a file.
func (d *Disk) Has(path string) bool {
	_, err := d.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
