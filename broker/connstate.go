package broker

import (
	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/acl"
)

// connState is what handlers keep of a connection between its requests. It is the
// reader's: only what a handler does before it returns may use it.
type connState struct {
	away     turnedAway
	follower *replication.Session // of a broker that follows this one; nil: of a client
	access   *acl.Access          // of the identity by the newest ACLs; nil: nobody has asked for it
	identity *security.Identity   // nil: not known yet, or where there is SASL not proven
	sasl     *saslState           // of a listener with SASL
}

// stateOf returns the connection's state, which begins with its first use.
func stateOf(c *transport.Conn) *connState {
	st, _ := c.State.(*connState)
	if st == nil {
		st = &connState{}
		c.State = st
	}
	return st
}

// connectionEnded ends what a connection's requests have begun.
func connectionEnded(c *transport.Conn) {
	if st, _ := c.State.(*connState); st != nil {
		st.follower.Close()
	}
}
