package replication

import (
	"context"
	"errors"
	"fmt"
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
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID(p.ClientID()))
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
