package broker

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
)

// Listener is an address to bind, what clients are told instead of it, and how they
// prove there who they are.
type Listener struct {
	Name           string
	Addr           string // host:port to bind; port 0 takes any
	AdvertisedHost string // "" = the bound host
	AdvertisedPort int32  // 0 = the bound port

	Protocol security.Protocol
	TLS      security.TLSFiles // where Protocol encrypts
	// Mechanisms of SASL, where Protocol authenticates, in the order in which they are told.
	Mechanisms []string
}

// listener is one of them in use.
type listener struct {
	*transport.Listener
	protocol security.Protocol
	certs    *security.Certificates // nil: no TLS

	mechanisms []string
}

// certificatesEvery is how often it is looked whether certificates were replaced.
const certificatesEvery = 2 * time.Second

// bind takes the listeners' ports.
func (s *Server) bind() error {
	for _, l := range s.cfg.Listeners {
		c := transport.ListenerConfig{
			Name: l.Name, Addr: l.Addr, AdvertisedHost: l.AdvertisedHost, AdvertisedPort: l.AdvertisedPort,
			Authenticates: l.Protocol.Authenticates(),
		}
		b := &listener{protocol: l.Protocol, mechanisms: l.Mechanisms}
		if l.Protocol.Encrypts() {
			certs, err := security.LoadCertificates(l.TLS, s.log)
			if err != nil {
				return fmt.Errorf("listener %q: %w", l.Name, err)
			}
			b.certs, c.TLS = certs, certs.Server
		}
		var err error
		if b.Listener, err = transport.Bind(c); err != nil {
			return err
		}
		s.listeners = append(s.listeners, b)
	}
	return nil
}

// openMechanisms reads what the mechanisms of SASL know users by.
func (s *Server) openMechanisms() (err error) {
	wanted := func(mechanisms ...string) bool {
		return slices.ContainsFunc(s.cfg.Listeners, func(l Listener) bool {
			return slices.ContainsFunc(l.Mechanisms, func(m string) bool { return slices.Contains(mechanisms, m) })
		})
	}
	if wanted(security.Plain) {
		if s.mechanisms.Users, err = security.LoadUserFile(s.cfg.UserFile, s.log); err != nil {
			return fmt.Errorf("users of PLAIN: %w", err)
		}
	}
	if wanted(security.ScramSHA256, security.ScramSHA512) {
		s.mechanisms.Scram = security.NewScramUsers(s.scramCredential, func() []byte { return s.cluster.Image().Secret() })
	}
	if wanted(security.OAuthBearer) {
		if s.mechanisms.Tokens, err = security.NewTokenVerifier(s.cfg.Tokens); err != nil {
			return err
		}
	}
	return nil
}

// watchSecurity has new certificates and users taken into use, until ctx ends.
func (s *Server) watchSecurity(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if u := s.mechanisms.Users; u != nil {
		g.Go(func() error { return u.Watch(ctx, certificatesEvery) })
	}
	for _, l := range s.listeners {
		if l.certs != nil {
			g.Go(func() error { return l.certs.Watch(ctx, certificatesEvery) })
		}
	}
	return g.Wait()
}

// listenerNamed is one of this broker's own.
func (s *Server) listenerNamed(name string) *listener {
	for _, l := range s.listeners {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// securePeer makes of a new connection to another broker's inter-broker listener what
// is spoken there: all brokers have the same protocol on it.
func (s *Server) securePeer(ctx context.Context, nc net.Conn, host string) (net.Conn, error) {
	l := s.listenerNamed(s.cfg.InterBroker)
	if l.certs != nil {
		own := l.certs.Client().Clone()
		own.ServerName = host
		t := tls.Client(nc, own)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS handshake with another broker: %w", err)
		}
		nc = t
	}
	if l.protocol.Authenticates() {
		if err := s.proveToPeer(ctx, nc, host); err != nil {
			return nil, fmt.Errorf("authenticate to another broker: %w", err)
		}
	}
	return nc, nil
}
