package broker

import (
	"errors"
	"net"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
)

// errSessionExpired ends a connection whose client has not proven again in time who it
// is (KIP-368).
var errSessionExpired = errors.New("the session has expired, and the client did not authenticate again")

// identify is who the client of a connection is. It is for the reader; what is done
// later keeps the value. An error is a certificate that is nobody's.
func (s *Server) identify(c *transport.Conn, st *connState) (*security.Identity, error) {
	if st.identity != nil {
		if st.expired() {
			return nil, errSessionExpired
		}
		return st.identity, nil
	}
	who := &security.Identity{Principal: security.Anonymous, Listener: c.Listener().Name, Host: hostOf(c.RemoteAddr())}
	if cert := c.PeerCertificate(); cert != nil {
		name, err := s.cfg.PrincipalMapping.Name(security.DistinguishedName(cert))
		if err != nil {
			return nil, err
		}
		who.Principal, who.Authenticated = security.UserNamed(name), true
	}
	st.identity = who
	return who, nil
}

// hostOf is an address as an ACL names it: without the port.
func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}
