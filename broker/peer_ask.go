package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

const (
	// peerAskTimeout bounds a question to another broker, the connection included.
	peerAskTimeout  = 5 * time.Second
	peerAnswerMax   = 1 << 20
	peerHeaderBytes = 4 + 1 // a correlation id, and no tags
)

// askPeer sends another broker one request in a flexible version, on a connection
// of its own, and returns the answer. It is for what is asked seldom.
func (s *Server) askPeer(ctx context.Context, id protocol.BrokerID, req kmsg.Request) (kmsg.Response, error) {
	ctx, cancel := context.WithTimeout(ctx, peerAskTimeout)
	defer cancel()
	nc, err := s.followers.dial(ctx, id)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.Close() })()
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID(s.peerClientID()))
	if _, err := nc.Write(format.AppendRequest(nil, req, 0)); err != nil {
		return nil, err
	}
	frame, err := readAnswer(nc, peerAnswerMax)
	if err != nil {
		return nil, err
	}
	defer frame.release()
	if len(frame.b) < peerHeaderBytes {
		return nil, errors.New("the answer is cut")
	}
	resp := req.ResponseKind()
	if err := resp.ReadFrom(frame.b[peerHeaderBytes:]); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	return resp, nil
}

// peerClientID is the client id of this broker's requests to others.
func (s *Server) peerClientID() string { return fmt.Sprintf("lockstep-broker-%d", s.cfg.NodeID) }
