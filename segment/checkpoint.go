package segment

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
)

// checkpointsKept is how many checkpoints of one fold are kept: the newest, and
// one more in case that it is damaged or ahead of what the fold may use.
const checkpointsKept = 2

// WriteCheckpoint keeps data, the state of a fold over every record below at,
// durably and whole or not at all. It is written where the log no longer goes
// back to what was folded, and to make opening quick; it is never the truth.
// at is at most the log's end. The newest two of a name are kept. A Shortage
// leaves the log as it was; any other error is final.
func (l *Log) WriteCheckpoint(name string, at protocol.Offset, data []byte) error {
	if err := l.usable(); err != nil {
		return err
	}
	if err := checkName(name); err != nil {
		return err
	}
	if at < 0 || at > l.w.state.end() {
		return fmt.Errorf("segment: %s: checkpoint %q at offset %d, beyond the end %d", l.dir, name, at, l.w.state.end())
	}
	err := writeFile(l.fs, l.dir, checkpointName(name, at), encodeCheckpoint(at, data))
	if Shortage(err) {
		return fmt.Errorf("segment: %s: write checkpoint: %w", l.dir, err)
	} else if err != nil {
		return l.fail("write checkpoint", err)
	}
	return l.fail("drop old checkpoints", l.dropOldCheckpoints(name))
}

// checkName keeps names apart from each other and from the log's other files.
func checkName(name string) error {
	if name == "" || len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("segment: %q is no name for a checkpoint: a-z, 0-9 and -", name)
	}
	return nil
}

// ReadCheckpoint is the newest undamaged checkpoint at or below an offset.
func (l *Log) ReadCheckpoint(name string, atMost protocol.Offset) (at protocol.Offset, data []byte, ok bool) {
	all, err := l.checkpoints(name)
	if err != nil {
		return 0, nil, false
	}
	for _, at := range all {
		if at > atMost {
			continue
		}
		b, err := readFile(l.fs, l.path(checkpointName(name, at)))
		if err != nil {
			continue
		}
		if data, ok := decodeCheckpoint(b, at); ok {
			return at, data, true
		}
	}
	return 0, nil, false
}

// checkpoints are the offsets of a fold's checkpoints, newest first.
func (l *Log) checkpoints(name string) ([]protocol.Offset, error) {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return nil, err
	}
	var all []protocol.Offset
	for _, file := range names {
		if of, at, ok := parseCheckpointName(file); ok && of == name {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b protocol.Offset) int { return cmp.Compare(b, a) })
	return all, nil
}

func (l *Log) dropOldCheckpoints(name string) error {
	all, err := l.checkpoints(name)
	if err != nil {
		return err
	}
	for _, at := range all[min(checkpointsKept, len(all)):] {
		if err := l.remove(checkpointName(name, at)); err != nil {
			return err
		}
	}
	return nil
}

// dropCheckpointsAbove removes checkpoints of records that were lost with a
// torn tail: other records will take their offsets.
func (l *Log) dropCheckpointsAbove(names []string, end protocol.Offset) error {
	dropped := false
	for _, name := range names {
		if _, at, ok := parseCheckpointName(name); ok && at > end {
			if err := l.remove(name); err != nil {
				return err
			}
			dropped = true
		}
	}
	if !dropped {
		return nil
	}
	return syncDir(l.fs, l.dir)
}

func encodeCheckpoint(at protocol.Offset, data []byte) []byte {
	b := make([]byte, crcSize, checkpointHeadSize+len(data))
	b = append(b, checkpointMagic...)
	b = binary.BigEndian.AppendUint16(b, formatVersion)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	b = appendInt64(b, int64(at))
	b = append(b, data...)
	binary.BigEndian.PutUint32(b, checksum(b[crcSize:]))
	return b
}

func decodeCheckpoint(b []byte, at protocol.Offset) (data []byte, ok bool) {
	if len(b) < checkpointHeadSize || binary.BigEndian.Uint32(b) != checksum(b[crcSize:]) ||
		string(b[4:8]) != checkpointMagic || binary.BigEndian.Uint16(b[8:]) != formatVersion ||
		int(binary.BigEndian.Uint32(b[12:])) != len(b)-checkpointHeadSize || getInt64(b[16:]) != int64(at) {
		return nil, false
	}
	return b[checkpointHeadSize:], true
}
