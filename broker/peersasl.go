package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/lockstep-log/lockstep/broker/security"
)

// PeerUser is who this broker is to the others, where the inter-broker listener has SASL.
type PeerUser struct {
	Mechanism    string // PLAIN or SCRAM
	User         string
	PasswordFile string // read at each connection, so that a password can be replaced
}

// peerMechanism is the client's side of the mechanism.
func (u PeerUser) peerMechanism() (sasl.Mechanism, error) {
	b, err := os.ReadFile(u.PasswordFile)
	if err != nil {
		return nil, err
	}
	password := strings.TrimRight(string(b), "\r\n")
	switch u.Mechanism {
	case security.Plain:
		return plain.Auth{User: u.User, Pass: password}.AsMechanism(), nil
	case security.ScramSHA256:
		return scram.Auth{User: u.User, Pass: password}.AsSha256Mechanism(), nil
	case security.ScramSHA512:
		return scram.Auth{User: u.User, Pass: password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("brokers do not authenticate to each other by %q", u.Mechanism)
}

// proveToPeer authenticates this broker on a new connection to another one.
func (s *Server) proveToPeer(ctx context.Context, nc net.Conn, host string) error {
	m, err := s.cfg.PeerUser.peerMechanism()
	if err != nil {
		return err
	}
	if by, ok := ctx.Deadline(); ok {
		nc.SetDeadline(by)
		defer nc.SetDeadline(time.Time{})
	}
	shake := kmsg.NewPtrSASLHandshakeRequest()
	shake.Version, shake.Mechanism = 1, m.Name()
	shaken, err := askPlainly(nc, shake)
	if err != nil {
		return err
	}
	if code := shaken.(*kmsg.SASLHandshakeResponse).ErrorCode; code != 0 {
		return fmt.Errorf("the other broker does not take %s: %w", m.Name(), kerr.ErrorForCode(code))
	}
	session, token, err := m.Authenticate(ctx, host)
	for done := false; err == nil && !done; {
		req := kmsg.NewPtrSASLAuthenticateRequest()
		req.Version, req.SASLAuthBytes = 1, token
		var answer kmsg.Response
		if answer, err = askPlainly(nc, req); err != nil {
			return err
		}
		resp := answer.(*kmsg.SASLAuthenticateResponse)
		if resp.ErrorCode != 0 {
			return fmt.Errorf("the other broker refuses user %q: %w", s.cfg.PeerUser.User, kerr.ErrorForCode(resp.ErrorCode))
		}
		done, token, err = session.Challenge(resp.SASLAuthBytes)
	}
	return err
}

// peerAnswerMax bounds an answer of another broker that has not been proven either.
const peerAnswerMax = 64 << 10

// askPlainly sends a request in a version without tags and reads the answer.
func askPlainly(nc net.Conn, req kmsg.Request) (kmsg.Response, error) {
	if _, err := nc.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("lockstep-broker")).AppendRequest(nil, req, 0)); err != nil {
		return nil, err
	}
	var head [8]byte // the length and the correlation id
	if _, err := io.ReadFull(nc, head[:]); err != nil {
		return nil, fmt.Errorf("no answer to %s: %w", kmsg.NameForKey(req.Key()), err)
	}
	n := int(binary.BigEndian.Uint32(head[:])) - 4
	if n < 0 || n > peerAnswerMax {
		return nil, errors.New("what answers is no broker")
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(nc, body); err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	return resp, resp.ReadFrom(body)
}
