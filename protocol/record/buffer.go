package record

import "sync"

// pooledBytesMax bounds what one buffer in the pool holds on to. Larger ones
// are left to the collector: a rare huge batch must not stay for good.
const pooledBytesMax = 4 << 20

// bufferBytesMin is where buffers start, so that most batches fit the first
// they are given.
const bufferBytesMin = 64 << 10

// buffer is a decompressor's output.
type buffer struct {
	b []byte
}

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// getBuffer is an empty buffer with room for size bytes.
func getBuffer(size int) *buffer {
	buf := buffers.Get().(*buffer)
	buf.reserve(size)
	return buf
}

// reserve makes the buffer empty with room for size bytes. The old bytes are
// let go before the new are made, so that the two never add up.
func (buf *buffer) reserve(size int) {
	if cap(buf.b) < size {
		buf.b = nil
		buf.b = make([]byte, 0, max(size, bufferBytesMin))
	}
	buf.b = buf.b[:0]
}

func (buf *buffer) release() {
	if cap(buf.b) <= pooledBytesMax {
		buf.b = buf.b[:0]
		buffers.Put(buf)
	}
}
