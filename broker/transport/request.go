package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// nextRequest reads a frame and its header. A request that is not served still
// becomes an exchange, whose Refused says why.
func (c *Conn) nextRequest() (*Exchange, error) {
	size, err := c.readLength()
	if err != nil {
		return nil, err
	}
	x := &Exchange{Conn: c, Began: time.Now()}
	if err := c.readFrame(x, size); err != nil {
		return nil, err
	}
	if c.raw {
		c.raw = false
		x.Raw, x.Body, x.Header, x.limits = true, x.frame.b, c.header, Limits{}.withDefaults()
		return x, nil
	}
	x.Body, err = c.header.Parse(x.frame.b)
	if errors.Is(err, protocol.ErrHeader) {
		x.ReleaseFrame()
		return nil, err
	}
	x.Header, x.Refused = c.header, err
	x.limits = c.srv.o.limits(x.Header.Key)
	return x, nil
}

// readLength waits for a request and reads the length of its frame.
func (c *Conn) readLength() (int, error) {
	if c.in.buffered() == 0 {
		c.readUntil(c.idleMax)
		if err := c.in.awaitByte(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && c.ctx.Err() == nil {
				err = c.idleFor()
			}
			return 0, err
		}
	}
	var prefix [protocol.FrameLengthBytes]byte
	if err := c.readFull(prefix[:], nil); err != nil {
		return 0, err
	}
	size, err := protocol.FrameLength(prefix, c.frameBytesMax())
	if err != nil {
		if hint := c.otherProtocol(prefix); hint != "" {
			err = fmt.Errorf("%s (%w)", hint, err)
		}
	}
	return size, err
}

// readFrame reads a frame into x. It holds memory as bytes arrive, not as they
// are promised: nothing of the budget before the first step has come.
func (c *Conn) readFrame(x *Exchange, size int) error {
	if size <= frameStep {
		return c.readSmall(x, size)
	}
	step := c.srv.frames.unbudgeted(frameStep)
	defer c.srv.frames.put(step)
	if err := c.readFull(step.b, nil); err != nil {
		return err
	}
	key := int16(binary.BigEndian.Uint16(step.b))
	fr, err := c.srv.frames.get(c.ctx, size, c.srv.o.limits(key).MemoryFactor)
	if err != nil {
		return err
	}
	copy(fr.b, step.b)
	if err := c.readRest(fr.b[frameStep:]); err != nil {
		c.srv.frames.put(fr)
		return err
	}
	x.frame = fr
	return nil
}

// readFull reads what b has room for, all of it within a frame. The client has
// the frame's timeout for the next bytes, whichever they are, so that a slow
// link is given the time that it takes; progress, if not nil, is told of them.
func (c *Conn) readFull(b []byte, progress func(n int)) error {
	for len(b) > 0 {
		if c.in.buffered() == 0 {
			c.readUntil(c.srv.o.FrameTimeout)
		}
		n, err := c.in.Read(b)
		if err != nil {
			return insideFrame(err)
		}
		if progress != nil {
			progress(n)
		}
		b = b[n:]
	}
	return nil
}

// insideFrame turns the end of a stream into the end of a stream inside a frame.
func insideFrame(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the client left in the middle of a request: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// readSmall reads a frame of one step into the frame that the connection always
// may have, or, if that is in use by a request under way, into what the budget has.
func (c *Conn) readSmall(x *Exchange, size int) (err error) {
	if x.reserved = c.reservedInUse.CompareAndSwap(false, true); x.reserved {
		x.frame = c.srv.frames.unbudgeted(size)
	} else if x.frame, err = c.srv.frames.get(c.ctx, size, 1); err != nil {
		return err
	}
	if err := c.readFull(x.frame.b, nil); err != nil {
		x.ReleaseFrame()
		return err
	}
	return nil
}

// readRest reads what is left of a frame that holds its budget. While it does,
// it may be ended.
func (c *Conn) readRest(b []byte) error {
	a := &arrival{began: time.Now(), end: func() { c.cancel(errTooSlow) }}
	c.srv.frames.budget.arrive(a)
	defer c.srv.frames.budget.arrived(a)
	return c.readFull(b, func(n int) { c.srv.frames.budget.progress(a, n) })
}
