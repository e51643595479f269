package partitions

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// cleanShutdownFile is there when the broker was stopped in order: it holds the
// broker epoch that ended so. All that the broker had taken in is then on disk, and
// its next epoch may go on where that one ended (KIP-903). Whoever starts takes the
// file away before it writes anything.
const cleanShutdownFile = "clean-shutdown"

const cleanShutdownBytesMax = 64

// ReadCleanShutdown is the broker epoch that was stopped in order, or 0. A file that
// cannot be understood is as good as none: the broker is then taken for one
// that crashed.
func ReadCleanShutdown(fsys vfs.FS, dir string) (protocol.BrokerEpoch, error) {
	f, err := fsys.Open(filepath.Join(dir, cleanShutdownFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, cleanShutdownBytesMax))
	if err != nil {
		return 0, err
	}
	brokerEpoch, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil || brokerEpoch < 0 {
		return 0, nil
	}
	return protocol.BrokerEpoch(brokerEpoch), nil
}

// RemoveCleanShutdown takes the file away for good.
func RemoveCleanShutdown(fsys vfs.FS, dir string) error {
	err := fsys.Remove(filepath.Join(dir, cleanShutdownFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// WriteCleanShutdown notes a broker epoch that was stopped in order.
func WriteCleanShutdown(fsys vfs.FS, dir string, brokerEpoch protocol.BrokerEpoch) error {
	return replaceFile(fsys, filepath.Join(dir, cleanShutdownFile), fmt.Appendln(nil, brokerEpoch))
}
