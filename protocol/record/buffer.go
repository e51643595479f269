package record

import "sync"

// pooledBytesMax parts the buffers of most batches from the large ones. A rare huge
// batch must not stay for good, nor serve a small one.
const pooledBytesMax = 4 << 20

// bufferBytesMin is where buffers start, so that most batches fit the first
// they are given.
const bufferBytesMin = 64 << 10

// buffer is a decompressor's output.
type buffer struct {
	b []byte
}

// A large buffer is used again like a small one: batches that open far would leave
// tens of megabytes each to a collector that may not come for long. Who does not
// open such batches keeps none, since a pool gives up what two collections have
// found unused.
var (
	buffers      = sync.Pool{New: func() any { return new(buffer) }}
	largeBuffers sync.Pool // of *buffer with more room than pooledBytesMax
)

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
		buf.b = roomFor(size)
	}
	buf.b = buf.b[:0]
}

// roomFor is room for size bytes. A large one of an earlier batch that is too small
// is let go: the next will have the greater size.
func roomFor(size int) []byte {
	if size > pooledBytesMax {
		if large, _ := largeBuffers.Get().(*buffer); large != nil && cap(large.b) >= size {
			return large.b[:0]
		}
	}
	return make([]byte, 0, max(size, bufferBytesMin))
}

// release gives the buffer back. Its bytes may not be used any more.
func (buf *buffer) release() {
	buf.keepIfLarge()
	buf.b = buf.b[:0]
	buffers.Put(buf)
}

// keepIfLarge keeps large bytes for a batch that wants as many.
func (buf *buffer) keepIfLarge() {
	if cap(buf.b) > pooledBytesMax {
		largeBuffers.Put(&buffer{buf.b[:0]})
		buf.b = nil
	}
}
