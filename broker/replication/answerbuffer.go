package replication

import (
	"errors"
	"io"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/lockstep-log/lockstep/protocol"
)

const (
	bufferClassMin = 12 // 4 KiB
	bufferClassMax = 24 // 16 MiB; larger ones are left to the collector
)

var answerBuffers [bufferClassMax + 1]sync.Pool

// answerBuffer is an answer's bytes. The partitions that append from it hold it;
// the last one to let go gives it back.
type answerBuffer struct {
	b     []byte
	class int
	refs  atomic.Int32
	freed func() // told when the last reference is gone
}

func newAnswerBuffer(n int) *answerBuffer {
	class := max(bufferClassMin, bits.Len(uint(n-1)))
	var buf *answerBuffer
	if class <= bufferClassMax {
		buf, _ = answerBuffers[class].Get().(*answerBuffer)
	}
	if buf == nil {
		size := n
		if class <= bufferClassMax {
			size = 1 << class
		}
		buf = &answerBuffer{b: make([]byte, size), class: class}
	}
	buf.b, buf.freed = buf.b[:n], nil
	buf.refs.Store(1)
	return buf
}

func (b *answerBuffer) hold() { b.refs.Add(1) }

func (b *answerBuffer) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	if freed := b.freed; freed != nil {
		freed()
	}
	if b.class <= bufferClassMax {
		answerBuffers[b.class].Put(b)
	}
}

// readAnswer reads a frame.
func readAnswer(in io.Reader, bytesMax int32) (*answerBuffer, error) {
	var prefix [protocol.FrameLengthBytes]byte
	if _, err := io.ReadFull(in, prefix[:]); err != nil {
		return nil, err
	}
	n, err := protocol.FrameLength(prefix, bytesMax)
	if err != nil {
		return nil, err
	}
	// Of a long frame no more is taken than has come, and as much again: its
	// length may be a lie.
	buf := newAnswerBuffer(min(n, firstBufferBytes))
	for have := 0; ; {
		m, err := io.ReadFull(in, buf.b[have:])
		if have += m; err != nil {
			buf.release()
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if have == n {
			return buf, nil
		}
		larger := newAnswerBuffer(min(n, 2*have))
		copy(larger.b, buf.b)
		buf.release()
		buf = larger
	}
}

// firstBufferBytes is taken for an answer before its bytes have come: what an
// honest leader sends fits.
const firstBufferBytes = AnswerBytesMax + 1<<20
