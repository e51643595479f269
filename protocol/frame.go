package protocol

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

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

const (
	frameLengthBytes = 4
	// A frame is read in steps, each frameGrowth times as long as the one
	// before, so that memory follows the bytes that came and not the length
	// that was claimed.
	frameFirstStep = 64 << 10
	frameGrowth    = 4
)

// ReadFrame reads one length-prefixed frame of 1 to limit bytes and returns
// what follows the prefix. The length is checked before anything is
// allocated, and never is more allocated than 64 KiB or four times what has
// arrived, whichever is more. alloc(n) gives n bytes; nil is make. For a frame
// longer than 64 KiB it is called several times, and only the last answer is
// kept.
//
// io.EOF is a stream that ends between frames, io.ErrUnexpectedEOF one that
// ends within; a *FrameError is a length that is none.
func ReadFrame(r *bufio.Reader, limit int32, alloc func(n int) []byte) ([]byte, error) {
	length, err := readLength(r, limit)
	if err != nil {
		return nil, err
	}
	if alloc == nil {
		alloc = func(n int) []byte { return make([]byte, n) }
	}
	buf := alloc(min(length, frameFirstStep))
	for have := 0; ; {
		n, err := io.ReadFull(r, buf[have:])
		if err != nil {
			return nil, within(err)
		}
		if have += n; have == length {
			return buf, nil
		}
		next := alloc(min(length, frameGrowth*have))
		copy(next, buf)
		buf = next
	}
}

func readLength(r *bufio.Reader, limit int32) (int, error) {
	prefix, err := r.Peek(frameLengthBytes)
	if err != nil {
		if len(prefix) > 0 {
			err = within(err)
		}
		return 0, err
	}
	length := int32(binary.BigEndian.Uint32(prefix))
	if length <= 0 || length > limit {
		return 0, &FrameError{Length: length, Max: limit}
	}
	_, err = r.Discard(frameLengthBytes)
	return int(length), err
}

// within turns the end of a stream into the end of a stream inside a frame.
func within(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
