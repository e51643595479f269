package broker

import (
	"context"
	"time"

	"github.com/lockstep-log/lockstep/broker/transport"
)

// How long a request that changes metadata may hold its connection. Below the
// least, a client's timeout would end a change before it could begin.
const (
	waitLeast   = time.Second
	waitDefault = 30 * time.Second // where the request names none
	waitMost    = time.Minute
)

// within bounds what a request waits for by its own timeout, in milliseconds.
func within(x *transport.Exchange, timeoutMs int32) (context.Context, context.CancelFunc) {
	wait := time.Duration(timeoutMs) * time.Millisecond
	return context.WithTimeout(x.Conn.Context(), min(max(wait, waitLeast), waitMost))
}

// withinDefault is within for a request that names no timeout.
func withinDefault(x *transport.Exchange) (context.Context, context.CancelFunc) {
	return context.WithTimeout(x.Conn.Context(), waitDefault)
}
