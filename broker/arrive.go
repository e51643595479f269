package broker

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// bodyAmplified is how many bytes a request that is not a Produce may hold,
// decoded, for each of its own: a Fetch of many partitions is the worst that is
// held for long.
const bodyAmplified = 8

// otherFrameMax bounds the frame of a request that is not a Produce: the largest
// body and its header.
const otherFrameMax = 1<<20 + 64<<10

// readFrame reads a frame into x. It holds memory as bytes arrive, not as they
// are promised: nothing of the budget before the first step has come.
func (c *conn) readFrame(x *exchange, size int) error {
	if c.in.buffered() < size {
		c.readUntil(c.frameTime(size))
	}
	if size <= frameStep {
		return c.readSmall(x, size)
	}
	step := c.srv.frames.share(frameStep)
	defer c.srv.frames.put(step)
	if _, err := io.ReadFull(c.in, step.b); err != nil {
		return within(err)
	}
	amplified := int64(1)
	if key := int16(binary.BigEndian.Uint16(step.b)); key != protocol.KeyProduce {
		if amplified = bodyAmplified; size > otherFrameMax {
			return fmt.Errorf("request of API %d has %d bytes, over the limit of %d", key, size, otherFrameMax)
		}
	}
	fr, err := c.srv.frames.get(c.ctx, size, amplified)
	if err != nil {
		return err
	}
	copy(fr.b, step.b)
	if err := c.readRest(fr.b[frameStep:], x.began); err != nil {
		c.srv.frames.put(fr)
		return err
	}
	x.frame = fr
	return nil
}

// frameTime is how long a client may take for a frame.
func (c *conn) frameTime(size int) time.Duration {
	return c.srv.cfg.FrameTimeout + time.Duration(size)*time.Second/frameRateLeast
}

// readSmall reads a frame of one step into the connection's own share, or, if
// that is in use by a request under way, into what the budget has.
func (c *conn) readSmall(x *exchange, size int) (err error) {
	if x.shared = c.share.CompareAndSwap(false, true); x.shared {
		x.frame = c.srv.frames.share(size)
	} else if x.frame, err = c.srv.frames.get(c.ctx, size, 1); err != nil {
		return err
	}
	if _, err := io.ReadFull(c.in, x.frame.b); err != nil {
		x.giveBack()
		return within(err)
	}
	return nil
}

// readRest reads what is left of a frame that holds its budget. While it does,
// it may be cut.
func (c *conn) readRest(b []byte, began time.Time) error {
	c.readUntil(c.frameTime(len(b))) // the wait for the budget was not the client's
	a := &arrival{began: time.Now(), cut: func() { c.cancel(errTooSlow) }}
	c.srv.frames.budget.arrive(a)
	defer c.srv.frames.budget.arrived(a)
	for len(b) > 0 {
		n, err := c.in.Read(b)
		if err != nil {
			return within(err)
		}
		c.srv.frames.budget.progress(a, n)
		b = b[n:]
	}
	return nil
}

// giveBack returns what the request's bytes hold.
func (x *exchange) giveBack() {
	x.c.srv.frames.put(x.frame)
	x.forgetFrame()
}

// abandonFrame is giveBack for bytes that somebody may still read.
func (x *exchange) abandonFrame() {
	x.c.srv.frames.forget(x.frame)
	x.forgetFrame()
}

func (x *exchange) forgetFrame() {
	x.frame, x.body = nil, nil
	if x.shared {
		x.shared = false
		x.c.share.Store(false)
	}
}
