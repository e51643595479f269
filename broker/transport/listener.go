package transport

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
)

// ListenerConfig is an address to bind and what clients are told instead of it.
type ListenerConfig struct {
	Name           string
	Addr           string // host:port to bind; port 0 takes any
	AdvertisedHost string // "" = the bound host
	AdvertisedPort int32  // 0 = the bound port

	// TLS is asked for what each new connection's handshake goes by; nil: plain text.
	TLS func() *tls.Config
	// Authenticates: the Handler says by Conn.Trust when a client has proven who it
	// is. On a listener with TLS alone the handshake is the proof.
	Authenticates bool
}

// distrusts reports whether a connection has to prove something first.
func (l *ListenerConfig) distrusts() bool { return l.TLS != nil || l.Authenticates }

// Listener is a listener that has its port. What it advertises is complete.
type Listener struct {
	ListenerConfig
	ln net.Listener
}

// Bind takes the listener's port.
func Bind(l ListenerConfig) (*Listener, error) {
	ln, err := net.Listen("tcp", l.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (listener %q): %w", l.Addr, l.Name, err)
	}
	if err := l.complete(ln.Addr()); err != nil {
		ln.Close()
		return nil, fmt.Errorf("listener %q: %w", l.Name, err)
	}
	return &Listener{ListenerConfig: l, ln: ln}, nil
}

// complete sets what clients are told from the address that was bound.
func (l *ListenerConfig) complete(bound net.Addr) error {
	host, port, err := net.SplitHostPort(bound.String())
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	l.AdvertisedHost, l.AdvertisedPort = cmp.Or(l.AdvertisedHost, host), cmp.Or(l.AdvertisedPort, int32(n))
	return nil
}

// Bound is the address that was bound.
func (l *Listener) Bound() string { return l.ln.Addr().String() }

// Close gives the port back.
func (l *Listener) Close() error { return l.ln.Close() }

// String is name://advertised-host:port.
func (l *Listener) String() string {
	return fmt.Sprintf("%s://%s", l.Name, net.JoinHostPort(l.AdvertisedHost, fmt.Sprint(l.AdvertisedPort)))
}
