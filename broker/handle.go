package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// handlers answer requests, by API key. Produce and Fetch are not among them:
// their answers are not plain messages. A handler that returns nil has the
// exchange finished later.
var handlers = map[int16]func(*Server, *exchange, kmsg.Request) kmsg.Response{}

// serves registers the handler of one API; each API's file calls it once.
func serves[Q kmsg.Request](key int16, h func(*Server, *exchange, Q) kmsg.Response) struct{} {
	handlers[key] = func(s *Server, x *exchange, req kmsg.Request) kmsg.Response { return h(s, x, req.(Q)) }
	return struct{}{}
}

// handle answers x, or has it answered later. An error closes the connection.
func (s *Server) handle(x *exchange) error {
	h := x.header
	if x.refused != nil {
		return s.handleRefused(x)
	}
	api, _ := protocol.Lookup(h.Key)
	proven, err := protocol.ProveWithin(x.decodeMax(), h.Key, h.Version, x.body)
	if err != nil {
		return fmt.Errorf("%s v%d request: %w", api.Name, h.Version, err)
	}
	x.claimNoMore(proven.Memory)
	req := kmsg.RequestForKey(h.Key)
	req.SetVersion(h.Version)
	if err := req.ReadFrom(x.body); err != nil {
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
		x.finish(message{resp})
	}
	return nil
}

// handleRefused answers what is not served. ApiVersions must always be answered,
// in the layout of version 0, with its own row alone: clients choose their next
// try from it (KIP-511). A version that is advertised but not served (Produce
// 0-2) gets its own error; anything else has no answer that the client could
// read, and is closed, as Kafka does.
func (s *Server) handleRefused(x *exchange) error {
	if x.header.Key == protocol.KeyApiVersions {
		x.header.Flexible = false
		x.finish(message{refusedApiVersions()})
		return nil
	}
	if x.header.Key == protocol.KeyProduce && x.header.Version >= 0 && x.header.Version < produceServedFrom {
		return s.produceTooOld(x)
	}
	return x.refused
}

// message is an answer that kmsg encodes.
type message struct{ kmsg.Response }

func (m message) appendTo(dst []byte, h protocol.Header) ([]byte, error) {
	dst = protocol.AppendResponseHeader(dst, h.CorrelationID, h.FlexibleResponse())
	return m.AppendTo(dst), nil
}

// respond makes the response to a request, with its version.
func respond[R kmsg.Response](req kmsg.Request) R { return req.ResponseKind().(R) }
