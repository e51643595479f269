package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/protocol"
)

const (
	unansweredMax = 256      // requests of one connection that wait for their answers
	readBuffer    = 4 << 10  // holds a run of small requests; larger bodies bypass it
	writeBuffer   = 16 << 10 // answers are gathered up to this before they are sent
	stopGrace     = 2 * time.Second
)

// conn is one client's connection. The reader goroutine lives as long as the
// connection and owns in and header. A writer goroutine lives only while there
// is an answer to send. They meet in out.
type conn struct {
	srv      *Server
	nc       net.Conn
	listener *boundListener
	in       *input
	parent   context.Context // of all connections: done when the broker stops
	ctx      context.Context
	cancel   context.CancelCauseFunc
	header   protocol.Header // of the latest request

	slots   chan struct{} // one for each request whose answer is not sent
	turn    chan struct{} // held by the one request that is not a Produce
	share   atomic.Bool   // the connection's own share of frames is in use
	parking parking       // the reader's
	away    turnedAway    // the reader's
	peer    *peerSession  // another broker's, which follows this one; nil: a client's. The reader's

	out outbox
}

// exchange is a request and the answer to it.
type exchange struct {
	c       *conn
	header  protocol.Header
	body    []byte // of frame; nil once the answer is ready
	refused error  // why the request is not decoded: unknown key or version
	frame   *frame
	shared  bool  // frame is the connection's own share
	claim   int64 // of the budget, until the answer is sent: see keepClaim
	turn    bool  // holds the connection's turn
	began   time.Time
	answer  answer    // set before done; nil: there is none to send (acks=0)
	hangUp  bool      // the connection is closed instead of answering
	done    bool      // the answer is ready to be sent; guarded by out
	left    func()    // called if the client leaves before that, or nil; guarded by out
	kept    bool      // the reader sends the answer, if it is ready when handled; guarded by out
	next    *exchange // in the order of arrival; guarded by out
}

// answer is what is sent for an exchange, without the frame's length, which the
// writer puts before it. It holds nothing of the request's bytes: those are gone
// when the answer is ready.
type answer interface {
	// appendTo appends the response header and body.
	appendTo(dst []byte, h protocol.Header) ([]byte, error)
}

// streamed is an answer whose tail is not gathered but written on its own:
// record batches from a log.
type streamed interface {
	answer
	tailSize() int
	writeTail(c *conn) error
	release()
}

func newConn(ctx context.Context, s *Server, l *boundListener, nc net.Conn) *conn {
	own, cancel := context.WithCancelCause(ctx)
	return &conn{
		srv: s, nc: nc, listener: l, in: newInput(nc), parent: ctx, ctx: own, cancel: cancel,
		slots: make(chan struct{}, unansweredMax), turn: make(chan struct{}, 1),
	}
}

// serve reads requests until the client leaves, breaks the protocol or the
// server stops, and returns when every answer that was owed is sent or given up.
func (c *conn) serve() {
	defer c.cancel(nil)
	stop := context.AfterFunc(c.ctx, func() {
		c.nc.SetReadDeadline(time.Unix(1, 0))
		c.nc.SetWriteDeadline(time.Now().Add(stopGrace))
	})
	defer stop()
	err := c.read()
	c.peer.close()
	c.out.leave()
	c.out.drain()
	c.in.drop()
	c.nc.Close()
	c.logClosed(err)
}

// errHangUp ends a connection about which all has been said; errIdle one about
// which there is nothing to say.
var (
	errHangUp = errors.New("connection closed by the broker")
	errIdle   = errors.New("connection idle for too long")
)

// read handles one request after the other.
func (c *conn) read() error {
	for {
		x, err := c.next()
		if err != nil {
			return err
		}
		if err := c.enqueue(x); err != nil {
			x.giveBack()
			return err
		}
		err = c.handle(x)
		if err != nil {
			x.finishUnlessDone()
		}
		c.sendKept(x)
		if err != nil {
			return err
		}
	}
}

// enqueue gives x its place among the answers. Of the requests that are answered
// in the reader one has its answer unsent at a time: many small requests for
// large answers that nobody reads would hold them all. Kafka does the same.
func (c *conn) enqueue(x *exchange) error {
	if x.turn = x.header.Key != protocol.KeyProduce; x.turn {
		select {
		case c.turn <- struct{}{}:
		case <-c.ctx.Done():
			x.turn = false
			return c.ctx.Err()
		}
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	x.kept = true
	c.out.push(x)
	return nil
}

// handle answers x, or has it answered later. A panic is a bug of ours: the
// others go on, and this client sees a closed connection.
func (c *conn) handle(x *exchange) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.logPanic(x, r)
			x.abandonFrame()
			err = errHangUp
		}
	}()
	return c.srv.handle(x)
}

func (c *conn) logPanic(x *exchange, what any) {
	c.srv.metrics.panics.Inc()
	c.srv.log.Error("a handler panicked; its connection is closed", "api", x.header.Key, "version", x.header.Version,
		"client", printable(x.header.ClientID), "from", c.nc.RemoteAddr(), "panic", what, "stack", string(debug.Stack()))
}

// next reads a frame and its header. A request that is not served still becomes
// an exchange, whose refused says why.
func (c *conn) next() (*exchange, error) {
	size, err := c.readLength()
	if err != nil {
		return nil, err
	}
	x := &exchange{c: c, began: time.Now()}
	if err := c.readFrame(x, size); err != nil {
		return nil, err
	}
	x.body, err = c.header.Parse(x.frame.b)
	if errors.Is(err, protocol.ErrHeader) {
		x.giveBack()
		return nil, err
	}
	x.header, x.refused = c.header, err
	return x, nil
}

// readLength waits for a request and reads the length of its frame.
func (c *conn) readLength() (int, error) {
	if c.in.buffered() == 0 {
		idle := c.srv.cfg.IdleTimeout
		if c.peer != nil {
			idle = min(idle, replication.IdleTimeout) // it would have been asked for more by now
		}
		c.readUntil(idle)
		if err := c.in.awaitByte(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && c.ctx.Err() == nil {
				err = errIdle
			}
			return 0, err
		}
	}
	var prefix [protocol.FrameLengthBytes]byte
	if err := c.readFull(prefix[:], nil); err != nil {
		return 0, err
	}
	size, err := protocol.FrameLength(prefix, c.srv.cfg.RequestBytesMax)
	if err != nil {
		if hint := c.srv.strangerHint(c.listener, prefix); hint != "" {
			err = fmt.Errorf("%s (%w)", hint, err)
		}
	}
	return size, err
}

// within turns the end of a stream into the end of a stream inside a frame.
func within(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the client left in the middle of a request: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// readUntil gives the client that long for what is read next, unless the
// connection is being stopped.
func (c *conn) readUntil(wait time.Duration) {
	c.nc.SetReadDeadline(time.Now().Add(wait))
	if c.ctx.Err() != nil {
		c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// logClosed says one line about a client that broke the protocol, and nothing
// about one that left, that was idle, or whose broker stops.
func (c *conn) logClosed(err error) {
	switch {
	case c.parent.Err() != nil:
		return
	case c.ctx.Err() != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)):
		err = context.Cause(c.ctx) // the reader was only told to stop
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), isReset(err):
		return
	case errors.Is(err, errHangUp), errors.Is(err, errIdle):
		return
	}
	c.srv.metrics.badRequests.Inc()
	c.srv.log.Warn("connection closed", "from", c.nc.RemoteAddr(), "client", printable(c.header.ClientID), "why", err)
}
