package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// handlers answer requests, by API key. Produce and Fetch are not among them:
// their answers are not plain messages. A handler that returns nil has the
// exchange finished later.
var handlers = map[int16]func(*Server, *transport.Exchange, kmsg.Request) kmsg.Response{}

// serves registers the handler of one API; each API's file calls it once.
func serves[Q kmsg.Request](key int16, h func(*Server, *transport.Exchange, Q) kmsg.Response) struct{} {
	handlers[key] = func(s *Server, x *transport.Exchange, req kmsg.Request) kmsg.Response { return h(s, x, req.(Q)) }
	return struct{}{}
}

// handle answers x, or has it answered later. An error closes the connection.
func (s *Server) handle(x *transport.Exchange) error {
	h := x.Header
	if x.Refused != nil {
		return s.handleRefused(x)
	}
	api, _ := protocol.Lookup(h.Key)
	proven, err := protocol.ProveWithin(x.DecodeBytesMax(), h.Key, h.Version, x.Body)
	if err != nil {
		return fmt.Errorf("%s v%d request: %w", api.Name, h.Version, err)
	}
	x.DecodesTo(proven.Memory)
	req := kmsg.RequestForKey(h.Key)
	req.SetVersion(h.Version)
	if err := req.ReadFrom(x.Body); err != nil {
		return fmt.Errorf("%s v%d request: %w", api.Name, h.Version, err)
	}
	if !proven.ValidText {
		protocol.MendText(req)
	}
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		return s.produce(x, req)
	case *kmsg.FetchRequest:
		return s.fetch(x, req)
	}
	handler := handlers[h.Key]
	if handler == nil {
		return fmt.Errorf("%s has no handler", api.Name)
	}
	if resp := handler(s, x, req); resp != nil {
		x.Finish(message{resp})
	}
	return nil
}

// handleRefused answers what is not served. ApiVersions must always be answered,
// in the layout of version 0, with its own row alone: clients choose their next
// try from it (KIP-511). A version that is advertised but not served (Produce
// 0-2) gets its own error; anything else has no answer that the client could
// read, and is closed, as Kafka does.
func (s *Server) handleRefused(x *transport.Exchange) error {
	if x.Header.Key == protocol.KeyApiVersions {
		x.Finish(message{refusedApiVersions()})
		return nil
	}
	if x.Header.Key == protocol.KeyProduce && x.Header.Version >= 0 && x.Header.Version < produceServedFrom {
		return s.produceTooOld(x)
	}
	return x.Refused
}

// message is an answer that kmsg encodes.
type message struct{ kmsg.Response }

func (m message) Encode(dst []byte, h protocol.Header) ([]byte, error) {
	dst = protocol.AppendResponseHeader(dst, h.CorrelationID, h.FlexibleResponse())
	return m.AppendTo(dst), nil
}

// respond makes the response to a request, with its version.
func respond[R kmsg.Response](req kmsg.Request) R { return req.ResponseKind().(R) }
