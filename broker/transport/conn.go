package transport

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

const (
	unansweredMax = 256      // requests of one connection that wait for their answers
	readBuffer    = 4 << 10  // holds a run of small requests; larger bodies bypass it
	writeBuffer   = 16 << 10 // answers are gathered up to this before they are sent
	stopGrace     = 2 * time.Second
)

// Conn is one client's connection. The reader goroutine lives as long as the
// connection and owns in and header. A writer goroutine lives only while there
// is an answer to send. They meet in out.
type Conn struct {
	// State is what the Handler keeps of the connection. It is nil until the Handler
	// sets it, and the reader's: the Handler's methods may use it, and nothing that
	// they start.
	State any

	srv      *SocketServer
	nc       net.Conn
	listener *Listener
	in       *input
	parent   context.Context // of all connections: done when the broker stops
	ctx      context.Context
	cancel   context.CancelCauseFunc
	header   protocol.Header // of the latest request
	idleMax  time.Duration   // the reader's
	proveBy  time.Time       // until when the client must have proven who it is; zero: it has; the reader's
	raw      bool            // the next frame is no request: see ExpectRaw; the reader's

	slots         chan struct{} // one for each request whose answer is not sent
	serial        chan struct{} // one slot, for the request that is not pipelined
	reservedInUse atomic.Bool   // the frame that the connection always may have

	muted atomic.Pointer[mute] // nil: it is not

	out outbox
}

// NewConn is a connection that came in on l and ends with ctx.
func (s *SocketServer) NewConn(ctx context.Context, l *Listener, nc net.Conn) *Conn {
	own, cancel := context.WithCancelCause(ctx)
	c := &Conn{
		srv: s, nc: nc, listener: l, parent: ctx, ctx: own, cancel: cancel, idleMax: s.o.IdleTimeout,
		slots: make(chan struct{}, unansweredMax), serial: make(chan struct{}, 1),
	}
	if l != nil && l.distrusts() {
		c.beginUnproven()
	}
	c.in = newInput(c.nc)
	return c
}

// Context ends when the connection does, or is to.
func (c *Conn) Context() context.Context { return c.ctx }

// Listener is where the client came in.
func (c *Conn) Listener() *Listener { return c.listener }

// RemoteAddr is where the client is.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// HasInput reports whether a further request, or a part of one, was read
// already. It is for the reader.
func (c *Conn) HasInput() bool { return c.in.buffered() > 0 }

// Abandoned reports whether the client has ended the stream. It does not wait.
// Requests that came before the end hide it. It is for the reader.
func (c *Conn) Abandoned() bool { return c.in.abandoned() }

// LimitIdle closes the connection after less idle time than it would be. It is
// for the reader.
func (c *Conn) LimitIdle(most time.Duration) { c.idleMax = min(c.idleMax, most) }

// serve reads requests until the client leaves, breaks the protocol or the
// server stops, and returns when every answer that was owed is sent or given up.
func (c *Conn) serve() {
	defer c.cancel(nil)
	stop := context.AfterFunc(c.ctx, func() {
		c.nc.SetReadDeadline(time.Unix(1, 0))
		c.nc.SetWriteDeadline(time.Now().Add(stopGrace))
	})
	defer stop()
	err := c.prove()
	if err == nil {
		err = c.read()
	}
	c.Trust() // it counts no more among those that are to prove something
	c.srv.o.Handler.ConnectionEnded(c)
	c.out.disconnect()
	c.out.drain()
	c.in.drop()
	c.nc.Close()
	c.logClosed(err)
}

// ErrHangUp ends a connection about which all has been said.
var ErrHangUp = errors.New("connection closed by the broker")

// errIdle ends one about which there is nothing to say.
var errIdle = errors.New("connection idle for too long")

// read handles one request after the other.
func (c *Conn) read() error {
	for {
		x, err := c.nextRequest()
		if err != nil {
			return err
		}
		c.awaitUnmuted()
		if err := c.enqueue(x); err != nil {
			x.ReleaseFrame()
			return err
		}
		err = c.handle(x)
		if err != nil {
			x.finishUnlessDone()
		}
		c.sendInline(x)
		if err != nil {
			return err
		}
	}
}

// mute is that a connection's requests are not looked at.
type mute struct {
	until  time.Time
	lifted <-chan struct{} // closed: it is over before that
}

// Mute has the connection's next request wait, for so long or until lifted is closed.
// Answers are sent meanwhile. It may be called from any goroutine; the latest counts.
func (c *Conn) Mute(wait time.Duration, lifted <-chan struct{}) {
	c.muted.Store(&mute{time.Now().Add(wait), lifted})
}

// awaitUnmuted waits until the connection is muted no longer, or to be closed.
func (c *Conn) awaitUnmuted() {
	for m := c.muted.Load(); m != nil; m = c.muted.Load() {
		timer := time.NewTimer(time.Until(m.until))
		select {
		case <-timer.C:
		case <-m.lifted:
		case <-c.ctx.Done():
		}
		timer.Stop()
		c.muted.CompareAndSwap(m, nil)
	}
}

// enqueue gives x its place among the answers. Of the requests that are not
// pipelined one has its answer unsent at a time: many small requests for large
// answers that nobody reads would hold them all. Kafka does the same: it mutes a
// channel until its response is sent.
func (c *Conn) enqueue(x *Exchange) error {
	if x.serial = !x.limits.Pipelined; x.serial {
		select {
		case c.serial <- struct{}{}:
		case <-c.ctx.Done():
			x.serial = false
			return c.ctx.Err()
		}
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	x.inline = true
	c.out.push(x)
	return nil
}

// handle answers x, or has it answered later. A panic is a bug of ours: the
// others go on, and this client sees a closed connection.
func (c *Conn) handle(x *Exchange) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.logPanic(x, r)
			x.abandonFrame()
			err = ErrHangUp
		}
	}()
	if x.Refused != nil {
		return c.srv.o.Handler.HandleRefused(x)
	}
	return c.srv.o.Handler.Handle(x)
}

func (c *Conn) logPanic(x *Exchange, what any) {
	c.srv.o.Metrics.Panicked()
	c.srv.o.Logger.Error("a handler panicked; its connection is closed", "api", x.Header.Key, "version", x.Header.Version,
		"client", protocol.PrintableShort(x.Header.ClientID), "from", c.nc.RemoteAddr(),
		"panic", what, "stack", string(debug.Stack()))
}

// readUntil gives the client that long for what is read next, unless the
// connection is being stopped.
func (c *Conn) readUntil(wait time.Duration) {
	until := time.Now().Add(wait)
	if !c.proveBy.IsZero() && c.proveBy.Before(until) {
		until = c.proveBy
	}
	c.nc.SetReadDeadline(until)
	if c.ctx.Err() != nil {
		c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// logClosed says one line about a client that broke the protocol, and nothing
// about one that left, that was idle, or whose broker stops.
func (c *Conn) logClosed(err error) {
	switch {
	case c.parent.Err() != nil:
		return
	case c.ctx.Err() != nil && (errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.Canceled)):
		err = context.Cause(c.ctx) // the reader was only told to stop
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), isReset(err):
		return
	case errors.Is(err, ErrHangUp), errors.Is(err, errIdle):
		return
	}
	c.srv.o.Metrics.BadRequest()
	c.srv.o.Logger.Warn("connection closed", "from", c.nc.RemoteAddr(),
		"client", protocol.PrintableShort(c.header.ClientID), "why", err)
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
