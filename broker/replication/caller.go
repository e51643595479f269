package replication

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

const (
	// idleCallsMax is how many connections to one broker are kept for the next calls.
	idleCallsMax = 8
	// idleCallFor is after how long an idle one is not used any more: the broker at its
	// other end closes what is silent.
	idleCallFor = 2 * time.Minute
)

// Caller sends requests to other brokers, one at a time on each connection, and keeps
// the connections: it is for what is asked with every transaction. Its methods may be
// called from any goroutine. Close when nobody calls any more.
type Caller struct {
	peers *Peers

	mu struct {
		sync.Mutex
		idle   map[protocol.BrokerID][]idleCall // the last was used last
		closed bool
	}
}

type idleCall struct {
	nc    net.Conn
	addr  string // where the broker was
	since time.Time
}

// NewCaller returns a Caller without connections.
func NewCaller(p *Peers) *Caller {
	c := &Caller{peers: p}
	c.mu.idle = map[protocol.BrokerID][]idleCall{}
	return c
}

// Close closes the connections that are kept.
func (c *Caller) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.closed = true
	for _, all := range c.mu.idle {
		for _, l := range all {
			l.nc.Close()
		}
	}
	clear(c.mu.idle)
}

// Call sends a request in a flexible version and returns the answer. A connection that
// was kept and is found dead is replaced and the request sent again, so that it may
// arrive twice: repeats must do no harm.
func (c *Caller) Call(ctx context.Context, id protocol.BrokerID, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	addr, err := c.peers.addrOf(id)
	if err != nil {
		return nil, err
	}
	for l, ok := c.take(id, addr); ok; l, ok = c.take(id, addr) {
		if resp, err := c.call(ctx, id, l, req); err == nil || ctx.Err() != nil {
			return resp, err
		}
	}
	nc, err := c.peers.Dial(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.call(ctx, id, idleCall{nc: nc, addr: addr}, req)
}

// call uses a connection, and keeps it if all went well.
func (c *Caller) call(ctx context.Context, id protocol.BrokerID, l idleCall, req kmsg.Request) (kmsg.Response, error) {
	stop := context.AfterFunc(ctx, func() { l.nc.Close() })
	resp, err := exchange(l.nc, c.peers.ClientID(), req)
	if !stop() || err != nil {
		l.nc.Close()
		return resp, err
	}
	c.keep(id, l)
	return resp, nil
}

// take gives out the connection that was used last, if it was not long ago and the
// broker is still where it was.
func (c *Caller) take(id protocol.BrokerID, addr string) (l idleCall, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.mu.idle[id]
	if len(all) == 0 {
		return idleCall{}, false
	}
	l = all[len(all)-1]
	if l.addr != addr || time.Since(l.since) > idleCallFor { // so are the others
		for _, l := range all {
			l.nc.Close()
		}
		delete(c.mu.idle, id)
		return idleCall{}, false
	}
	c.mu.idle[id] = all[:len(all)-1]
	return l, true
}

func (c *Caller) keep(id protocol.BrokerID, l idleCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed || len(c.mu.idle[id]) >= idleCallsMax {
		l.nc.Close()
		return
	}
	l.since = time.Now()
	c.mu.idle[id] = append(c.mu.idle[id], l)
}

// exchange sends one request in a flexible version and reads its answer.
func exchange(nc net.Conn, clientID string, req kmsg.Request) (kmsg.Response, error) {
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID))
	if _, err := nc.Write(format.AppendRequest(nil, req, 0)); err != nil {
		return nil, err
	}
	frame, err := readAnswer(nc, askedBytesMax)
	if err != nil {
		return nil, err
	}
	defer frame.release()
	if len(frame.b) < responseHeaderBytes {
		return nil, errors.New("the answer is cut off")
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(frame.b[responseHeaderBytes:]); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return resp, nil
}
