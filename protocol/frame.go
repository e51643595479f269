package protocol

import (
	"encoding/binary"
	"fmt"
)

// FrameLengthBytes is how long the prefix of a frame is: its length, an int32.
const FrameLengthBytes = 4

// FrameError is a frame length that no frame can have. The stream is lost
// with it: the connection must be closed.
type FrameError struct {
	Length int32 // as claimed
	Max    int32 // the limit
}

// Error says which way the length is wrong.
func (e *FrameError) Error() string {
	switch {
	case e.Length < 0:
		return fmt.Sprintf("frame length %d is negative", e.Length)
	case e.Length == 0:
		return "frame length is zero"
	default:
		return fmt.Sprintf("frame length %d is over the limit of %d bytes", e.Length, e.Max)
	}
}

// FrameLength is the length that a frame's prefix claims, 1 to limit, or a
// *FrameError. It comes before any memory is taken; how memory then follows the
// bytes that arrive is for the reader, which keeps account of it.
func FrameLength(prefix [FrameLengthBytes]byte, limit int32) (int, error) {
	length := int32(binary.BigEndian.Uint32(prefix[:]))
	if length <= 0 || length > limit {
		return 0, &FrameError{Length: length, Max: limit}
	}
	return int(length), nil
}
