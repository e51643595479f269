package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// pipeline is the one way of every request:
//
//	authenticate ─► decode ─► authorize ─► handle ─► throttle ─► encode
//
// The connection's reader goes it up to handle. The rest comes when the answer is
// ready, which may be later and in another goroutine.
type pipeline struct{ srv *Server }

// Handle answers x, or has it answered later. An error closes the connection.
func (p pipeline) Handle(x *transport.Exchange) error {
	st := stateOf(x.Conn)
	if needsProof(x, st) {
		return p.srv.prove(x, st)
	}
	who, err := p.srv.identify(x.Conn, st)
	if err != nil {
		return err
	}
	a := lookup(x.Header.Key)
	req, err := a.decode(x)
	if err != nil {
		return fmt.Errorf("%s v%d request: %w", a.name(), x.Header.Version, err)
	}
	p.srv.keep(x, who)
	if refusal := p.srv.authorize(x, who, a, req); refusal != nil {
		refuse(x, req, refusal)
		return nil
	}
	return a.call.handle(p.srv, x, req)
}

// HandleRefused answers what is not served, if its row says how.
func (p pipeline) HandleRefused(x *transport.Exchange) error {
	st := stateOf(x.Conn)
	if x.Conn.Listener().Authenticates && st.identity == nil && x.Header.Key != protocol.KeyApiVersions {
		return x.Refused
	}
	if a := lookup(x.Header.Key); a != nil && a.refused != nil {
		return a.refused(p.srv, x)
	}
	return x.Refused
}

// ConnectionEnded ends what the connection's requests have begun.
func (p pipeline) ConnectionEnded(c *transport.Conn) { connectionEnded(c) }

// decode proves the shape of a request's body before it is decoded, within the
// memory that was reserved for it, and makes its text UTF-8.
func (a *api) decode(x *transport.Exchange) (kmsg.Request, error) {
	proven, err := protocol.ProveWithin(x.DecodeBytesMax(), x.Header.Key, x.Header.Version, x.Body)
	if err != nil {
		return nil, err
	}
	x.DecodesTo(proven.Memory)
	req := a.call.newRequest()
	req.SetVersion(x.Header.Version)
	if err := req.ReadFrom(x.Body); err != nil {
		return nil, err
	}
	if !proven.ValidText {
		protocol.MendText(req)
	}
	return req, nil
}

// finish has an answer sent: the last steps of the pipeline. It is called once
// for each request, from any goroutine; requests without an answer go past it.
func finish(x *transport.Exchange, a transport.Answer) {
	if k, _ := x.Kept.(*kept); k != nil {
		k.throttle(x, a)
	}
	x.Finish(a)
}

// sendResponse is finish with a response that kmsg encodes.
func sendResponse(x *transport.Exchange, resp kmsg.Response) {
	passageOf(x).amend(resp)
	finish(x, message{resp})
}

// message is an answer that kmsg encodes.
type message struct{ kmsg.Response }

// Encode appends the response's header and body.
func (m message) Encode(dst []byte, h protocol.Header) ([]byte, error) {
	dst = protocol.AppendResponseHeader(dst, h.CorrelationID, h.FlexibleResponse())
	return m.AppendTo(dst), nil
}

// respond makes the response to a request, with its version.
func respond[R kmsg.Response](req kmsg.Request) R { return req.ResponseKind().(R) }
