package protocol

import "bufio"

// ReadLength reads a frame's length prefix, 1 to limit. Its errors are those of
// ReadFrame. It serves a reader that keeps account of the memory of its frames.
func ReadLength(r *bufio.Reader, limit int32) (int, error) { return readLength(r, limit) }
