package security

import "strings"

// User is the kind of every principal that a connection can prove.
const User = "User"

// Principal is who a request is made for, in Kafka's words. It is comparable.
type Principal struct {
	Kind string // User, or in an ACL whatever stands there
	Name string
}

// Anonymous is the principal of a connection that has proven nothing.
var Anonymous = Principal{User, "ANONYMOUS"}

// UserNamed is the principal of a user.
func UserNamed(name string) Principal { return Principal{User, name} }

// ParsePrincipal reads KIND:NAME. ok is false where there is no colon.
func ParsePrincipal(s string) (p Principal, ok bool) {
	p.Kind, p.Name, ok = strings.Cut(s, ":")
	return p, ok
}

// String is KIND:NAME.
func (p Principal) String() string { return p.Kind + ":" + p.Name }

// Identity is what a connection has proven, and where it comes from. It does not
// change: a connection that proves itself again, as the same principal, keeps it.
type Identity struct {
	Principal Principal
	Listener  string // the name of the listener that it came in on
	Host      string // the client's address, without a port
	// Authenticated: the listener demands a proof, and it was given. On a listener
	// that demands none everybody is Anonymous, and this is false.
	Authenticated bool
}
