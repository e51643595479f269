package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// A connection of a listener that distrusts begins unproven. It has little time, may
// send small frames alone, and there are not many such. Its TLS handshake is made by
// its reader, so that who stalls one stalls nobody else.

// errUnproven ends a connection whose client did not prove in time who it is.
var errUnproven = errors.New("the client did not authenticate in time")

// beginUnproven makes a new connection one that has to prove something.
func (c *Conn) beginUnproven() {
	c.proveBy = time.Now().Add(c.srv.o.ProofTimeout)
	if c.listener.TLS != nil {
		c.nc = tls.Server(c.nc, c.listener.TLS())
	}
}

// Trust says that the client has proven who it is. It is for the reader, and may be
// called again.
func (c *Conn) Trust() {
	if !c.proveBy.IsZero() {
		c.proveBy = time.Time{}
		c.srv.unproven.Add(-1)
	}
}

// ExpectRaw has the next frame handed over as it is: its Exchange is Raw. Kafka's
// first clients with SASL send their tokens so. It is for the reader.
func (c *Conn) ExpectRaw() { c.raw = true }

// PeerCertificate is what the client has shown in its TLS handshake, verified; nil:
// it has shown none.
func (c *Conn) PeerCertificate() *x509.Certificate {
	t, ok := c.nc.(*tls.Conn)
	if !ok {
		return nil
	}
	certs := t.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return nil
	}
	return certs[0]
}

// prove makes the TLS handshake, if the listener has TLS.
func (c *Conn) prove() error {
	t, ok := c.nc.(*tls.Conn)
	if !ok {
		return nil
	}
	c.readUntil(c.srv.o.ProofTimeout)
	c.beginWrite()
	err := t.Handshake()
	switch {
	case err == nil && !c.listener.Authenticates:
		c.Trust()
		return nil
	case err == nil, errors.Is(err, io.EOF), c.ctx.Err() != nil:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("%w: its TLS handshake was not done within %v", errUnproven, c.srv.o.ProofTimeout)
	}
	return c.explainHandshake(err)
}

// explainHandshake says what a handshake most likely failed for.
func (c *Conn) explainHandshake(err error) error {
	var plain tls.RecordHeaderError
	var alert tls.AlertError
	var op *net.OpError
	switch {
	case errors.As(err, &plain):
		hint := fmt.Sprintf("the client speaks plain text, and listener %q is TLS; set its security.protocol to SSL or SASL_SSL",
			c.listener.Name)
		if other := c.otherProtocol([protocol.FrameLengthBytes]byte(plain.RecordHeader[:])); other != "" {
			hint = other
		}
		return fmt.Errorf("%s (%w)", hint, err)
	case errors.As(err, &alert), errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("the client ended the TLS handshake; does it trust this broker's certificate? (%w)", err)
	}
	return fmt.Errorf("TLS handshake failed: %w", err)
}

// frameBytesMax bounds the next frame.
func (c *Conn) frameBytesMax() int32 {
	if !c.proveBy.IsZero() {
		return c.srv.o.UnprovenBytesMax
	}
	return c.srv.o.RequestBytesMax
}

// idleFor is why a connection is closed that sent nothing.
func (c *Conn) idleFor() error {
	if !c.proveBy.IsZero() {
		return errUnproven
	}
	return errIdle
}
