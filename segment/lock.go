package segment

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	lockName  = "LOCK"
	ownerName = "LOCK.owner"
)

// LockDir takes the data directory for this process, and makes it if need be.
// The lock ends with Close or with the process. If it is taken, the error says
// by whom.
func LockDir(fs vfs.FS, dir string) (io.Closer, error) {
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("segment: make data directory: %w", err)
	}
	lock, err := fs.Lock(fs.PathJoin(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("segment: data directory %s is in use%s: %w", dir, owner(fs, dir), err)
	}
	host, _ := os.Hostname() // without a name the process id has to do
	note := fmt.Sprintf("process %d on %s\n", os.Getpid(), host)
	if err := writeFile(fs, dir, ownerName, []byte(note)); err != nil {
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
