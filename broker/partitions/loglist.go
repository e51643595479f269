package partitions

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

// logListFile lists the logs that were made in this data directory, one a line.
const logListFile = "logs.list"

// logList knows which logs there were. A log that is listed and not there is
// lost: it may have held what was acknowledged, and an empty one in its place
// must not pass for it. A log that is neither there nor listed never took
// anything in, as after a crash between a topic's creation and its first log.
//
// A log is listed when its directory is durable and before it is written to.
// The reconciler owns it, and as another list of this form the repairedLogs.
type logList struct {
	fs   vfs.FS
	path string
	set  map[string]struct{} // by TopicPartition's text
}

func openLogList(fsys vfs.FS, dir, file string) (*logList, error) {
	l := &logList{fs: fsys, path: filepath.Join(dir, file), set: make(map[string]struct{})}
	f, err := fsys.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
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
		l.set[string(bytes.TrimSpace(line))] = struct{}{}
	}
	return l, nil
}

// has reports whether the log was made here once.
func (l *logList) has(id protocol.TopicPartition) bool {
	_, ok := l.set[id.String()]
	return ok
}

// add lists logs, durably.
func (l *logList) add(ids []protocol.TopicPartition) error {
	changed := false
	for _, id := range ids {
		if !l.has(id) {
			l.set[id.String()] = struct{}{}
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return l.write()
}

// remove takes logs off the list, durably.
func (l *logList) remove(ids []protocol.TopicPartition) error {
	changed := false
	for _, id := range ids {
		if l.has(id) {
			delete(l.set, id.String())
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return l.write()
}

// drop forgets logs that were deleted on purpose; the file follows with the next add.
func (l *logList) drop(id protocol.TopicPartition) { delete(l.set, id.String()) }

func (l *logList) write() error {
	lines := make([]string, 0, len(l.set))
	for line := range l.set {
		lines = append(lines, line)
	}
	slices.Sort(lines)
	var text bytes.Buffer
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	if err := replaceFile(l.fs, l.path, text.Bytes()); err != nil {
		return fmt.Errorf("write the list of logs: %w", err)
	}
	return nil
}
