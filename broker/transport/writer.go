package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, writeBuffer+4096); return &b }}

// gathered is what the writer has encoded and not yet sent. It holds a buffer
// only while there is something in it.
type gathered struct {
	c   *Conn
	buf *[]byte
}

func (g *gathered) bytes() *[]byte {
	if g.buf == nil {
		g.buf = writeBuffers.Get().(*[]byte)
	}
	return g.buf
}

// flush sends what was gathered.
func (g *gathered) flush() error {
	if g.buf == nil {
		return nil
	}
	b := g.buf
	g.buf = nil
	_, err := g.c.Write(*b)
	if cap(*b) <= 4*writeBuffer {
		*b = (*b)[:0]
		writeBuffers.Put(b)
	}
	return err
}

// write sends the answers that are ready, in the order of the requests. It
// gathers those that follow each other and sends them together, and ends when
// the next is not ready.
func (c *Conn) write() {
	g := gathered{c: c}
	for {
		x, idle := c.out.popReady(g.buf == nil)
		switch {
		case idle:
			return
		case x == nil:
			c.sendFailed(g.flush())
		default:
			if c.out.failed == nil {
				c.sendFailed(c.sendSafely(&g, x))
			}
			c.settle(x)
		}
	}
}

// sendInline sends, from the reader, the answer that handling x has made and that
// is next in the row: most are, where a client waits for each of its answers,
// and a goroutine for each would cost more than the rest. Where the next request
// is here already, the reader goes on and has a writer send.
func (c *Conn) sendInline(x *Exchange) {
	switch {
	case !c.out.endInline(x):
	case c.in.buffered() > 0:
		go c.write()
	default:
		c.write()
	}
}

// sendFailed notes that nothing can be sent any more, and stops the reader. What
// is under way completes into the outbox and is dropped.
func (c *Conn) sendFailed(err error) {
	if err != nil && c.out.failed == nil {
		c.out.failed = err
		c.cancel(err)
	}
}

// settle gives back what the exchange held.
func (c *Conn) settle(x *Exchange) {
	if s, ok := x.answer.(Streamed); ok {
		s.Release()
	}
	c.srv.o.Metrics.Answered(x)
	x.answer = nil
	if x.kept > 0 {
		c.srv.frames.budget.Release(x.kept)
		x.kept = 0
	}
	if x.serial {
		<-c.serial
	}
	<-c.slots
}

// sendSafely is send, with a panic made an error of this connection's.
func (c *Conn) sendSafely(g *gathered, x *Exchange) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.logPanic(x, r)
			err = ErrHangUp
		}
	}()
	return c.send(g, x)
}

// send gathers x's answer, and streams its tail if it has one.
func (c *Conn) send(g *gathered, x *Exchange) error {
	if x.hangUp {
		g.flush()
		return ErrHangUp
	}
	if x.answer == nil {
		return nil
	}
	buf := g.bytes()
	at := len(*buf)
	b := append(*buf, 0, 0, 0, 0)
	b, err := x.answer.Encode(b, x.Header)
	if err != nil {
		*buf = b[:at]
		return fmt.Errorf("encode the answer to API %d v%d: %w", x.Header.Key, x.Header.Version, err)
	}
	*buf = b
	size := len(b) - at - 4
	s, ok := x.answer.(Streamed)
	if ok {
		size += s.TailBytes()
	}
	binary.BigEndian.PutUint32(b[at:], uint32(size))
	if ok && s.TailBytes() > 0 {
		if err := g.flush(); err != nil {
			return err
		}
		return s.WriteTail(c)
	}
	if len(b) >= writeBuffer {
		return g.flush()
	}
	return nil
}

// writePiece is what a client has the write timeout for.
const writePiece = 1 << 20

// Write sends b whole. The client has the write timeout for each MiB of it.
func (c *Conn) Write(b []byte) (sent int, err error) {
	for {
		c.beginWrite()
		n, err := c.nc.Write(b[:min(writePiece, len(b))])
		sent, b = sent+n, b[n:]
		if err != nil || len(b) == 0 {
			return sent, notTaken(err)
		}
	}
}

// beginWrite gives the client its time for the next write; little, when the
// broker stops.
func (c *Conn) beginWrite() {
	c.nc.SetWriteDeadline(time.Now().Add(c.srv.o.WriteTimeout))
	if c.ctx.Err() != nil {
		c.nc.SetWriteDeadline(time.Now().Add(min(stopGrace, c.srv.o.WriteTimeout)))
	}
}

// errNotTaken is a client that asks and does not read the answers.
var errNotTaken = errors.New("the client does not take its answers")

func notTaken(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w: %w", errNotTaken, err)
	}
	return err
}
