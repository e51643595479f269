package broker

import (
	"net"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
)

// identityOf is who the client of a connection is. It is for the reader; what is
// done later keeps the value. There are only listeners in plain text, on which
// nobody proves who he is.
func identityOf(c *transport.Conn) *security.Identity {
	st := stateOf(c)
	if st.identity == nil {
		st.identity = &security.Identity{Principal: security.Anonymous, Listener: c.Listener().Name, Host: hostOf(c.RemoteAddr())}
	}
	return st.identity
}

// hostOf is an address as an ACL names it: without the port.
func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}
