package replication

import (
	"context"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

const (
	// AskTimeout bounds a question to another broker, the connection included.
	AskTimeout          = 5 * time.Second
	askedBytesMax       = 1 << 20
	responseHeaderBytes = 4 + 1 // a correlation id, and no tags
)

// Ask sends another broker one request in a flexible version, on a connection of
// its own, and returns the answer. It is for what is asked seldom.
func (p *Peers) Ask(ctx context.Context, id protocol.BrokerID, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, AskTimeout)
	defer cancel()
	nc, err := p.Dial(ctx, id)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	return exchange(nc, p.ClientID(), req)
}

// AskOn is one request and its answer on a connection to a broker that is in no
// metadata yet. The caller has made the connection, bounds it, and closes it.
func AskOn(nc net.Conn, clientID string, req kmsg.Request) (kmsg.Response, error) {
	return exchange(nc, clientID, req)
}
