package segment

import (
	"io"
	"sync"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// window reads a file at rising positions through a buffer. It belongs to one
// goroutine; release gives the buffer back.
type window struct {
	f     io.ReaderAt
	size  int64 // no byte behind it is read
	pool  *sync.Pool
	room  int     // of the buffer as it came from the pool
	buf   *[]byte // the bytes from start on
	start int64
}

// Buffers of two sizes: a look at the headers between two index entries, and a
// pass over everything.
const (
	lookBytes = 8 << 10
	passBytes = 256 << 10
)

var (
	lookBuffers = newBuffers(lookBytes)
	passBuffers = newBuffers(passBytes)
)

func newBuffers(size int) *sync.Pool {
	return &sync.Pool{New: func() any { b := make([]byte, 0, size); return &b }}
}

func newWindow(f io.ReaderAt, size int64, pool *sync.Pool) window {
	buf := pool.Get().(*[]byte)
	*buf = (*buf)[:0]
	return window{f: f, size: size, pool: pool, room: cap(*buf), buf: buf}
}

// at is the n bytes from pos on, or fewer at the end. They are good until the
// next call.
func (w *window) at(pos, n int64) ([]byte, error) {
	n = min(n, w.size-pos)
	if n <= 0 {
		return nil, nil
	}
	if pos < w.start || pos+n > w.start+int64(len(*w.buf)) {
		if err := w.fill(pos, n); err != nil {
			return nil, err
		}
	}
	from := pos - w.start
	return (*w.buf)[from : from+n], nil
}

// fill moves the window to pos and reads n bytes, and as many more as there is
// room for.
func (w *window) fill(pos, n int64) error {
	room := int64(cap(*w.buf))
	if n > room {
		*w.buf = make([]byte, n)
		room = n
	}
	want := min(room, w.size-pos)
	b := (*w.buf)[:want]
	got, err := w.f.ReadAt(b, pos)
	if int64(got) < n {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		*w.buf = b[:0]
		return err
	}
	*w.buf, w.start = b[:got], pos
	return nil
}

// batch is the bytes of the batch at pos, as far as they are there.
func (w *window) batch(pos int64) ([]byte, error) {
	b, err := w.at(pos, record.HeaderSize)
	if err != nil {
		return nil, err
	}
	size, ok := record.PeekSize(b)
	if !ok {
		return b, nil
	}
	return w.at(pos, int64(size))
}

func (w *window) release() {
	if cap(*w.buf) == w.room { // it did not have to grow
		w.pool.Put(w.buf)
	}
	w.buf = nil
}
