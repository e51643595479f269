package broker

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// A connection of a listener with SASL goes through these states, as Kafka's do. What
// does not fit closes it, and is not even decoded.
//
//	begun ──ApiVersions──► begun                   once, and once more where its version was refused
//	begun ──SaslHandshake──► shaken                ──unknown mechanism──► closed
//	shaken ──SaslAuthenticate or raw token──► shaken │ proven │ closed
//	proven ──any other request──► proven           until the session expires: then closed
//	proven ──SaslHandshake──► shaken, still proven (KIP-368), where sessions expire
type saslState struct {
	asked        bool                  // for ApiVersions, and got them
	mechanism    string                // of the latest handshake
	conversation security.Conversation // nil: no handshake, or it is done
	raw          bool                  // tokens come as frames without a header (SaslHandshake v0)
	expires      time.Time             // when the session does; zero: never
}

// failureDelay is how long who failed waits for his answer, as
// connection.failed.authentication.delay.ms: it slows down who guesses.
const failureDelay = 100 * time.Millisecond

// needsProof reports whether a request is a part of proving who the client is, which
// goes past the rest of the pipeline.
func needsProof(x *transport.Exchange, st *connState) bool {
	if !x.Conn.Listener().Authenticates {
		return false
	}
	if st.identity == nil {
		return true
	}
	return !st.sasl.expires.IsZero() && (x.Raw || x.Header.Key == protocol.KeySaslHandshake || x.Header.Key == protocol.KeySaslAuthenticate)
}

// expired reports whether the connection's session has come to its end.
func (st *connState) expired() bool {
	return st.sasl != nil && !st.sasl.expires.IsZero() && time.Now().After(st.sasl.expires)
}

// prove handles a request of a client that has not proven who it is, or does so again.
func (s *Server) prove(x *transport.Exchange, st *connState) error {
	if st.sasl == nil {
		st.sasl = &saslState{}
	}
	switch key := x.Header.Key; {
	case x.Raw:
		return s.proveRaw(x, st)
	case key == protocol.KeyApiVersions && st.identity == nil:
		return s.versionsUnproven(x, st.sasl)
	case key == protocol.KeySaslHandshake:
		return s.shake(x, st.sasl)
	case key == protocol.KeySaslAuthenticate:
		return s.proveStep(x, st)
	}
	return fmt.Errorf("a request of API %d came before the client had authenticated", x.Header.Key)
}

// versionsUnproven answers ApiVersions before anything is proven.
func (s *Server) versionsUnproven(x *transport.Exchange, st *saslState) error {
	req, err := lookup(x.Header.Key).decode(x)
	if err != nil {
		return err
	}
	if st.conversation != nil {
		resp := respond[*kmsg.ApiVersionsResponse](req)
		resp.ErrorCode = kerr.IllegalSaslState.Code
		sendResponse(x, resp)
		return transport.ErrHangUp
	}
	if st.asked {
		return fmt.Errorf("ApiVersions came twice before the client had authenticated")
	}
	st.asked = true
	sendResponse(x, s.apiVersions(x, req.(*kmsg.ApiVersionsRequest)))
	return nil
}

// shake begins a conversation by the mechanism that a client names.
func (s *Server) shake(x *transport.Exchange, st *saslState) error {
	decoded, err := lookup(x.Header.Key).decode(x)
	if err != nil {
		return err
	}
	req := decoded.(*kmsg.SASLHandshakeRequest)
	resp := respond[*kmsg.SASLHandshakeResponse](req)
	l := s.listenerNamed(x.Conn.Listener().Name)
	resp.SupportedMechanisms = l.mechanisms
	if st.conversation != nil {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		sendResponse(x, resp)
		return transport.ErrHangUp
	}
	if !slices.Contains(l.mechanisms, req.Mechanism) {
		s.delayFailure(x, protocol.PrintableShort(req.Mechanism), errors.New("the mechanism is not enabled on this listener"))
		resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
		sendResponse(x, resp)
		return transport.ErrHangUp
	}
	if st.conversation, err = s.mechanisms.Begin(req.Mechanism); err != nil {
		return err
	}
	st.mechanism, st.raw = req.Mechanism, req.Version == 0
	if st.raw {
		x.Conn.ExpectRaw()
	}
	sendResponse(x, resp)
	return nil
}

// proveStep is one step of a conversation, by SaslAuthenticate.
func (s *Server) proveStep(x *transport.Exchange, st *connState) error {
	if st.sasl.conversation == nil || st.sasl.raw {
		return fmt.Errorf("SaslAuthenticate came without SaslHandshake")
	}
	decoded, err := lookup(x.Header.Key).decode(x)
	if err != nil {
		return err
	}
	req := decoded.(*kmsg.SASLAuthenticateRequest)
	resp := respond[*kmsg.SASLAuthenticateResponse](req)
	answer, err := s.step(x, st, req.SASLAuthBytes)
	if err != nil {
		s.delayFailure(x, st.sasl.mechanism, err)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		resp.ErrorMessage = kmsg.StringPtr(security.FailureText(err, st.sasl.mechanism))
		resp.SASLAuthBytes = []byte{}
		sendResponse(x, resp)
		return transport.ErrHangUp
	}
	resp.SASLAuthBytes, resp.ErrorMessage = answer, kmsg.StringPtr("")
	if !st.sasl.expires.IsZero() && st.sasl.conversation == nil {
		resp.SessionLifetimeMillis = max(0, time.Until(st.sasl.expires).Milliseconds())
	}
	sendResponse(x, resp)
	return nil
}

// proveRaw is one step of a conversation whose tokens are frames of their own.
func (s *Server) proveRaw(x *transport.Exchange, st *connState) error {
	answer, err := s.step(x, st, x.Body)
	if err != nil {
		s.delayFailure(x, st.sasl.mechanism, err)
		return transport.ErrHangUp
	}
	if st.sasl.conversation != nil {
		x.Conn.ExpectRaw()
	}
	finish(x, rawToken(answer))
	return nil
}

// rawToken is an answer without a header.
type rawToken []byte

// Encode appends the token.
func (t rawToken) Encode(dst []byte, _ protocol.Header) ([]byte, error) {
	return append(dst, t...), nil
}

// step takes a client's token, and notes what is proven when the conversation is done.
func (s *Server) step(x *transport.Exchange, st *connState, token []byte) (answer []byte, err error) {
	answer, err = st.sasl.conversation.Step(token)
	if err != nil {
		return nil, err
	}
	proof, done := st.sasl.conversation.Proven()
	if !done {
		return answer, nil
	}
	who := security.UserNamed(proof.User)
	if st.identity != nil && st.identity.Principal != who {
		text := fmt.Sprintf("Cannot change principals during re-authentication from %s: %s", st.identity.Principal, who)
		return nil, &security.Failure{Text: text, Reason: text}
	}
	if !proof.Expires.IsZero() && !proof.Expires.After(time.Now()) {
		return nil, &security.Failure{Reason: "the token has expired"}
	}
	st.sasl.conversation = nil
	st.sasl.expires = s.sessionEnd(proof)
	if st.identity == nil {
		st.identity = &security.Identity{
			Principal: who, Listener: x.Conn.Listener().Name, Host: hostOf(x.Conn.RemoteAddr()), Authenticated: true,
		}
		x.Conn.Trust()
	}
	return answer, nil
}

// sessionEnd is until when a proof is good: what it says itself, and for no longer than
// connections.max.reauth.ms.
func (s *Server) sessionEnd(proof security.Proof) time.Time {
	end := proof.Expires
	if most := s.cfg.ReauthMax; most > 0 {
		if by := time.Now().Add(most); end.IsZero() || by.Before(end) {
			end = by
		}
	}
	return end
}

// delayFailure logs a failed authentication, and waits. The reader waits: such
// connections are bounded.
func (s *Server) delayFailure(x *transport.Exchange, mechanism string, why error) {
	s.log.Warn("authentication failed", "listener", x.Conn.Listener().Name, "from", x.Conn.RemoteAddr(), "mechanism", mechanism,
		"client", protocol.PrintableShort(x.Header.ClientID), "why", why)
	select {
	case <-time.After(failureDelay):
	case <-x.Conn.Context().Done():
	}
}

// saslHandshake answers where there is nothing to prove, or it was proven for good.
func (s *Server) saslHandshake(_ *transport.Exchange, req *kmsg.SASLHandshakeRequest) kmsg.Response {
	resp := respond[*kmsg.SASLHandshakeResponse](req)
	resp.ErrorCode, resp.SupportedMechanisms = kerr.IllegalSaslState.Code, []string{}
	return resp
}

// saslAuthenticate is saslHandshake for the other request.
func (s *Server) saslAuthenticate(_ *transport.Exchange, req *kmsg.SASLAuthenticateRequest) kmsg.Response {
	resp := respond[*kmsg.SASLAuthenticateResponse](req)
	resp.ErrorCode, resp.SASLAuthBytes = kerr.IllegalSaslState.Code, []byte{}
	resp.ErrorMessage = kmsg.StringPtr("SaslAuthenticate request received after successful authentication")
	return resp
}
