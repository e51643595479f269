package segment

import (
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

var (
	// ErrOffsetOutOfRange: the offset lies before the log's start or behind its end.
	ErrOffsetOutOfRange = errors.New("segment: offset out of range")
	// ErrClosed: the log was closed.
	ErrClosed = errors.New("segment: log is closed")
)

// CorruptError says that bytes which were on disk for certain are not there
// any more or are not what was written. The log must not be served further
// from that place, and nothing was changed on disk.
type CorruptError struct {
	Path   string
	Pos    int64           // where in the file
	Offset protocol.Offset // the offset that is expected there, or None
	Reason string
}

// Error names the file and the place.
func (e *CorruptError) Error() string {
	if e.Offset == protocol.None {
		return fmt.Sprintf("segment: %s is corrupt at byte %d: %s", e.Path, e.Pos, e.Reason)
	}
	return fmt.Sprintf("segment: %s is corrupt at byte %d (offset %d): %s", e.Path, e.Pos, int64(e.Offset), e.Reason)
}

func corrupt(path string, pos int64, o protocol.Offset, format string, args ...any) error {
	return &CorruptError{Path: path, Pos: pos, Offset: o, Reason: fmt.Sprintf(format, args...)}
}
