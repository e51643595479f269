package broker

import (
	"encoding/binary"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// bodyAmplified is how many bytes a request that is not a Produce may hold for
// each of its own: decoded, where a Fetch of many partitions takes three times
// its size, and in an answer that has as many elements. So much is claimed before
// its rest is read; what its shape then shows to be too much is given back, and
// what would be more is not decoded.
const bodyAmplified = 8

// readFrame reads a frame into x. It holds memory as bytes arrive, not as they
// are promised: nothing of the budget before the first step has come.
func (c *conn) readFrame(x *exchange, size int) error {
	if size <= frameStep {
		return c.readSmall(x, size)
	}
	step := c.srv.frames.share(frameStep)
	defer c.srv.frames.put(step)
	if err := c.readFull(step.b, nil); err != nil {
		return err
	}
	amplified := int64(1)
	if int16(binary.BigEndian.Uint16(step.b)) != protocol.KeyProduce {
		amplified = bodyAmplified
	}
	fr, err := c.srv.frames.get(c.ctx, size, amplified)
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
func (c *conn) readFull(b []byte, progress func(n int)) error {
	for len(b) > 0 {
		if c.in.buffered() == 0 {
			c.readUntil(c.srv.cfg.FrameTimeout)
		}
		n, err := c.in.Read(b)
		if err != nil {
			return within(err)
		}
		if progress != nil {
			progress(n)
		}
		b = b[n:]
	}
	return nil
}

// readSmall reads a frame of one step into the connection's own share, or, if
// that is in use by a request under way, into what the budget has.
func (c *conn) readSmall(x *exchange, size int) (err error) {
	if x.shared = c.share.CompareAndSwap(false, true); x.shared {
		x.frame = c.srv.frames.share(size)
	} else if x.frame, err = c.srv.frames.get(c.ctx, size, 1); err != nil {
		return err
	}
	if err := c.readFull(x.frame.b, nil); err != nil {
		x.giveBack()
		return err
	}
	return nil
}

// readRest reads what is left of a frame that holds its budget. While it does,
// it may be cut.
func (c *conn) readRest(b []byte) error {
	a := &arrival{began: time.Now(), cut: func() { c.cancel(errTooSlow) }}
	c.srv.frames.budget.arrive(a)
	defer c.srv.frames.budget.arrived(a)
	return c.readFull(b, func(n int) { c.srv.frames.budget.progress(a, n) })
}

// decodeMax is how much decoding the request may take: half of what was claimed
// for it beside its bytes. The other half is for the answer.
func (x *exchange) decodeMax() int {
	return max(protocol.DecodeBytesMax, (int(x.frame.held)-len(x.frame.b))/2)
}

// claimNoMore gives back what was claimed beyond the request's bytes and twice
// what decoding them takes.
func (x *exchange) claimNoMore(decoded int) {
	x.c.srv.frames.shrink(x.frame, int64(cap(x.frame.b)+2*decoded))
}

// keepClaim has the claim of a large request last until its answer is sent: as
// many elements as were asked about are told about. Produce answers are short.
func (x *exchange) keepClaim() {
	if x.frame != nil && x.frame.held > mediumClaim && x.header.Key != protocol.KeyProduce {
		x.claim, x.frame.held = x.frame.held, 0
	}
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
