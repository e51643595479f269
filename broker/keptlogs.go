package broker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
)

// keptLogsFile lists the logs that were made in this data directory, one a line.
const keptLogsFile = "logs.list"

// keptLogs knows which logs there were. A log that is listed and not there is
// lost: it may have held what was acknowledged, and an empty one in its place
// must not pass for it. A log that is neither there nor listed never took
// anything in, as after a crash between a topic's creation and its first log.
//
// A log is listed when its directory is durable and before it is written to.
// The reconciler owns it, and as another list of this form the repairedLogs.
type keptLogs struct {
	fs   vfs.FS
	path string
	set  map[string]struct{} // by TopicPartition's text
}

func openKeptLogs(fsys vfs.FS, dir, file string) (*keptLogs, error) {
	k := &keptLogs{fs: fsys, path: filepath.Join(dir, file), set: make(map[string]struct{})}
	f, err := fsys.Open(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the list of logs: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read the list of logs: %w", err)
	}
	for line := range bytes.Lines(raw) {
		k.set[string(bytes.TrimSpace(line))] = struct{}{}
	}
	return k, nil
}

// had reports whether the log was made here once.
func (k *keptLogs) had(id protocol.TopicPartition) bool {
	_, ok := k.set[id.String()]
	return ok
}

// add lists logs, durably.
func (k *keptLogs) add(ids []protocol.TopicPartition) error {
	changed := false
	for _, id := range ids {
		if !k.had(id) {
			k.set[id.String()] = struct{}{}
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return k.write()
}

// remove takes logs off the list, durably.
func (k *keptLogs) remove(ids []protocol.TopicPartition) error {
	changed := false
	for _, id := range ids {
		if k.had(id) {
			delete(k.set, id.String())
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return k.write()
}

// drop forgets logs that were deleted on purpose; the file follows with the next add.
func (k *keptLogs) drop(id protocol.TopicPartition) { delete(k.set, id.String()) }

func (k *keptLogs) write() error {
	lines := make([]string, 0, len(k.set))
	for line := range k.set {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	var text bytes.Buffer
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	if err := replaceFile(k.fs, k.path, text.Bytes()); err != nil {
		return fmt.Errorf("write the list of logs: %w", err)
	}
	return nil
}
