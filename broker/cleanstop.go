package broker

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

// cleanStopFile is there when the broker was stopped in order: it holds the
// broker epoch that ended so. All that it had taken in is then on disk, and the
// next epoch may go on in its place. Whoever starts takes
// the file away before it writes anything.
const cleanStopFile = "clean-shutdown"

const cleanStopBytesMax = 64

// readCleanStop is the broker epoch that was stopped in order, or 0. A file that
// cannot be understood is as good as none: the broker is then taken for one
// that crashed.
func readCleanStop(fsys vfs.FS, dir string) (protocol.BrokerEpoch, error) {
	f, err := fsys.Open(filepath.Join(dir, cleanStopFile))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, cleanStopBytesMax))
	if err != nil {
		return 0, err
	}
	epoch, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil || epoch < 0 {
		return 0, nil
	}
	return protocol.BrokerEpoch(epoch), nil
}

// removeCleanStop takes the file away for good.
func removeCleanStop(fsys vfs.FS, dir string) error {
	err := fsys.Remove(filepath.Join(dir, cleanStopFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

func writeCleanStop(fsys vfs.FS, dir string, epoch protocol.BrokerEpoch) error {
	return replaceFile(fsys, filepath.Join(dir, cleanStopFile), fmt.Appendln(nil, epoch))
}
