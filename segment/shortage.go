package segment

import (
	"errors"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrNoDescriptor: a file could not be opened because the process, or the
// system, has too many open. Nothing was written, nothing is damaged, and the
// same call may do in a moment.
var ErrNoDescriptor = errors.New("segment: no file descriptor is free")

// ShortOfDescriptors reports whether err comes from too many open files.
func ShortOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// ShortOfSpace reports whether err comes from a disk, or a quota on it, that is full.
func ShortOfSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// Shortage reports whether err says that the machine has too little of
// something at present. Of what lies on the disk it says nothing.
func Shortage(err error) bool { return ShortOfDescriptors(err) || ShortOfSpace(err) }

const (
	// openPatience bounds how long an operation that is under way waits for a
	// descriptor. A roll, a checkpoint or a manifest that stopped half-way would
	// cost the log its writer, and others give descriptors back all the time.
	openPatience = 30 * time.Second
	// readPatience is that of a reader, whose client waits for an answer.
	readPatience = 5 * time.Second
	openRetry    = 10 * time.Millisecond
)

// retryFS tries again to open a file while there is no descriptor for it.
type retryFS struct {
	vfs.FS
	patience time.Duration
}

func (fs retryFS) open(f func() (vfs.File, error)) (vfs.File, error) {
	file, err := f()
	for waited := time.Duration(0); ShortOfDescriptors(err) && waited < fs.patience; waited += openRetry {
		time.Sleep(openRetry)
		file, err = f()
	}
	return file, err
}

func (fs retryFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return fs.open(func() (vfs.File, error) { return fs.FS.Create(name, c) })
}

func (fs retryFS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return fs.open(func() (vfs.File, error) { return fs.FS.Open(name, opts...) })
}

func (fs retryFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return fs.open(func() (vfs.File, error) { return fs.FS.OpenReadWrite(name, c, opts...) })
}

func (fs retryFS) List(dir string) (names []string, err error) {
	_, err = fs.open(func() (vfs.File, error) {
		names, err = fs.FS.List(dir)
		return nil, err
	})
	return names, err
}

func (fs retryFS) OpenDir(name string) (vfs.File, error) {
	return fs.open(func() (vfs.File, error) { return fs.FS.OpenDir(name) })
}
