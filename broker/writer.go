package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, writeBuffer+4096); return &b }}

// gathered is what the writer has encoded and not yet sent. It holds a buffer
// only while there is something in it.
type gathered struct {
	c   *conn
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
	g.c.nc.SetWriteDeadline(time.Now().Add(frameTimeout))
	_, err := g.c.nc.Write(*b)
	if cap(*b) <= 4*writeBuffer {
		*b = (*b)[:0]
		writeBuffers.Put(b)
	}
	return err
}

// write sends the answers in the order of the requests. It gathers those that
// are ready and sends them together, and never waits with something gathered.
func (c *conn) write() error {
	g := gathered{c: c}
	var failed error
	for {
		x, ok := c.nextAnswer(&g, &failed)
		if !ok {
			if failed == nil {
				failed = g.flush()
			}
			return failed
		}
		if !x.done.Load() && failed == nil {
			failed = g.flush()
		}
		for !x.done.Load() {
			<-c.ready // a proposal always completes: the partition's loop answers each
		}
		if failed == nil {
			failed = c.send(&g, x)
			if failed != nil {
				c.cancel()
			}
		}
		c.settle(x)
	}
}

// nextAnswer takes the next exchange; before it waits for one it sends what is gathered.
func (c *conn) nextAnswer(g *gathered, failed *error) (*exchange, bool) {
	select {
	case x, ok := <-c.queue:
		return x, ok
	default:
	}
	if *failed == nil {
		if *failed = g.flush(); *failed != nil {
			c.cancel()
		}
	}
	x, ok := <-c.queue
	return x, ok
}

// settle gives back what the exchange held.
func (c *conn) settle(x *exchange) {
	if s, ok := x.answer.(streamed); ok {
		s.release()
	}
	c.srv.metrics.answered(x)
	c.srv.frames.put(x.frame)
	x.frame, x.answer = nil, nil
}

// send gathers x's answer, and streams its tail if it has one.
func (c *conn) send(g *gathered, x *exchange) error {
	if x.hangUp {
		g.flush()
		return errHangUp
	}
	if x.answer == nil {
		return nil
	}
	buf := g.bytes()
	at := len(*buf)
	b := append(*buf, 0, 0, 0, 0)
	b, err := x.answer.appendTo(b, x.header)
	if err != nil {
		*buf = b[:at]
		return fmt.Errorf("encode the answer to API %d v%d: %w", x.header.Key, x.header.Version, err)
	}
	*buf = b
	size := len(b) - at - 4
	s, ok := x.answer.(streamed)
	if ok {
		size += s.tailSize()
	}
	binary.BigEndian.PutUint32(b[at:], uint32(size))
	if ok && s.tailSize() > 0 {
		if err := g.flush(); err != nil {
			return err
		}
		return s.writeTail(deadlined{c.nc})
	}
	if len(b) >= writeBuffer {
		return g.flush()
	}
	return nil
}

// deadlined gives each write of a long answer its own time.
type deadlined struct{ nc net.Conn }

func (d deadlined) Write(b []byte) (int, error) {
	d.nc.SetWriteDeadline(time.Now().Add(frameTimeout))
	return d.nc.Write(b)
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
