package segment

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	lockName  = "LOCK"
	ownerName = "LOCK.owner"
)

// ErrInUse: another process, or this one, has the data directory.
var ErrInUse = errors.New("is in use")

// LockDir takes the data directory for this process, and makes it if need be.
// The lock ends with Close or with the process. If it is taken, the error says
// by whom; if it cannot be taken for another reason, by what. A full disk is none.
func LockDir(fs vfs.FS, dir string) (io.Closer, error) {
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("segment: make data directory: %w", err)
	}
	lock, err := fs.Lock(fs.PathJoin(dir, lockName))
	var file *iofs.PathError
	switch {
	case errors.As(err, &file): // the file could not even be opened
		return nil, fmt.Errorf("segment: data directory %s cannot be written to: %w", dir, err)
	case err != nil:
		return nil, fmt.Errorf("segment: data directory %s %w%s: %w", dir, ErrInUse, owner(fs, dir), err)
	}
	host, _ := os.Hostname() // without a name the process id has to do
	note := fmt.Sprintf("process %d on %s\n", os.Getpid(), host)
	err = writeFile(fs, dir, ownerName, []byte(note))
	if ShortOfSpace(err) { // the lock is what counts, and what the last owner noted is wrong now
		if err = fs.Remove(fs.PathJoin(dir, ownerName)); notExist(err) {
			err = nil
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("segment: data directory %s cannot be written to: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// owner is what the one who has the lock wrote about itself. The lock file
// itself must not be opened: closing it would end the lock.
func owner(fs vfs.FS, dir string) string {
	b, err := readFile(fs, fs.PathJoin(dir, ownerName))
	if err != nil {
		return ""
	}
	return " by " + strings.TrimSpace(string(b))
}
