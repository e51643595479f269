package broker

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

const (
	unansweredMax = 256              // requests of one connection that wait for their answers
	readBuffer    = 4 << 10          // holds a run of small requests; larger bodies bypass it
	writeBuffer   = 64 << 10         // answers are gathered up to this before they are sent
	frameTimeout  = 60 * time.Second // for a frame that has begun to arrive, or an answer that the client does not take
	frameStep     = 16 << 10         // what a frame's claim is worth before its bytes arrive
)

// conn is one client's connection. The reader goroutine owns in; the writer
// goroutine owns what it gathers; they meet in the queue of exchanges.
type conn struct {
	srv      *Server
	nc       net.Conn
	listener *boundListener
	in       *bufio.Reader
	queue    chan *exchange // in the order of arrival, which is the order of the answers
	ready    chan struct{}  // an exchange has become ready; one token says all
	ctx      context.Context
	cancel   context.CancelFunc
	header   protocol.Header // of the latest request; the reader's
}

// exchange is a request and the answer to it.
type exchange struct {
	c       *conn
	header  protocol.Header
	body    []byte
	refused error // why the request is not decoded: unknown key or version
	frame   *frame
	began   time.Time
	answer  answer      // set before done; nil: there is none to send (acks=0)
	done    atomic.Bool // the answer is ready to be sent
	hangUp  bool        // the connection is closed instead of answering
}

// answer is what is sent for an exchange, without the frame's length, which the
// writer puts before it.
type answer interface {
	// appendTo appends the response header and body.
	appendTo(dst []byte, h protocol.Header) ([]byte, error)
}

// streamed is an answer whose tail is not gathered but written on its own:
// record batches from a log.
type streamed interface {
	answer
	tailSize() int
	writeTail(w io.Writer) error
	release()
}

// finish makes the answer ready. It is called once, from any goroutine.
func (x *exchange) finish(a answer) {
	x.answer = a
	x.done.Store(true)
	select {
	case x.c.ready <- struct{}{}:
	default:
	}
}

func newConn(ctx context.Context, s *Server, l *boundListener, nc net.Conn) *conn {
	ctx, cancel := context.WithCancel(ctx)
	return &conn{
		srv: s, nc: nc, listener: l,
		in:    bufio.NewReaderSize(nc, readBuffer),
		queue: make(chan *exchange, unansweredMax),
		ready: make(chan struct{}, 1),
		ctx:   ctx, cancel: cancel,
	}
}

// serve reads requests until the client leaves, breaks the protocol or the
// server stops, and returns when every answer that was owed is sent or given up.
func (c *conn) serve() {
	defer c.cancel()
	stop := context.AfterFunc(c.ctx, func() { c.nc.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := c.write(); err != nil {
			c.cancel() // the reader stops; proposals under way complete into the queue and are dropped
		}
	})
	err := c.read()
	close(c.queue)
	writer.Wait()
	c.nc.Close()
	c.logClosed(err)
}

// errHangUp ends a connection about which all has been said.
var errHangUp = errors.New("connection closed by the broker")

// read handles one request after the other.
func (c *conn) read() (err error) {
	defer func() {
		if r := recover(); r != nil {
			// A bug of ours: the others go on, and this client sees a closed connection.
			c.srv.log.Error("a handler panicked; its connection is closed", "client", c.header.ClientID,
				"from", c.nc.RemoteAddr(), "panic", r, "stack", string(debug.Stack()))
			c.srv.metrics.panics.Inc()
			err = errHangUp
		}
	}()
	for {
		x, err := c.next()
		if err != nil {
			return err
		}
		select {
		case c.queue <- x:
		case <-c.ctx.Done():
			c.srv.frames.put(x.frame)
			return c.ctx.Err()
		}
		if err := c.srv.handle(x); err != nil {
			if !x.done.Load() {
				x.hangUp = true
				x.finish(nil)
			}
			return err
		}
	}
}

// next reads a frame and its header. A request that is not served still becomes
// an exchange, whose refused says why.
func (c *conn) next() (*exchange, error) {
	size, err := protocol.ReadLength(c.in, c.srv.cfg.RequestBytesMax)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	fr, err := c.readFrame(size)
	if err != nil {
		return nil, err
	}
	body, err := c.header.Parse(fr.b)
	if errors.Is(err, protocol.ErrHeader) {
		c.srv.frames.put(fr)
		return nil, err
	}
	return &exchange{c: c, header: c.header, body: body, refused: err, frame: fr, began: began}, nil
}

// readFrame holds memory as bytes arrive, not as they are promised.
func (c *conn) readFrame(size int) (*frame, error) {
	if c.in.Buffered() < size {
		c.nc.SetReadDeadline(time.Now().Add(frameTimeout))
		defer c.clearDeadline()
	}
	fr, err := c.srv.frames.get(c.ctx, min(size, frameStep))
	if err != nil {
		return nil, err
	}
	for have := 0; ; {
		if _, err := io.ReadFull(c.in, fr.b[have:]); err != nil {
			c.srv.frames.put(fr)
			return nil, err
		}
		if len(fr.b) == size {
			return fr, nil
		}
		have = len(fr.b)
		larger, err := c.srv.frames.get(c.ctx, min(size, 8*have))
		if err != nil {
			c.srv.frames.put(fr)
			return nil, err
		}
		copy(larger.b, fr.b)
		c.srv.frames.put(fr)
		fr = larger
	}
}

// clearDeadline lets the connection idle again, unless it is being stopped.
func (c *conn) clearDeadline() {
	c.nc.SetReadDeadline(time.Time{})
	if c.ctx.Err() != nil {
		c.nc.SetReadDeadline(time.Unix(1, 0))
	}
}

// logClosed says one line about a client that broke the protocol, and nothing
// about one that left.
func (c *conn) logClosed(err error) {
	var ne net.Error
	switch {
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, errHangUp), c.ctx.Err() != nil && errors.As(err, &ne):
		return
	case isReset(err):
		return
	}
	c.srv.metrics.badRequests.Inc()
	c.srv.log.Warn("connection closed", "from", c.nc.RemoteAddr(), "client", printable(c.header.ClientID), "why", err)
}
