package security

import (
	"fmt"
	"strings"
)

// Protocol is what is spoken on a listener, below Kafka's own protocol.
type Protocol uint8

// The protocols. The zero value is plain text.
const (
	Plaintext Protocol = iota
	TLS
	SASLPlaintext
	SASLTLS
)

var protocolNames = [...]string{"plaintext", "tls", "sasl_plaintext", "sasl_tls"}

// ParseProtocol reads a protocol's name: ours, or Kafka's, in either case.
func ParseProtocol(s string) (Protocol, error) {
	name := strings.ToLower(s)
	for p, known := range protocolNames {
		if name == known {
			return Protocol(p), nil
		}
	}
	switch name {
	case "ssl":
		return TLS, nil
	case "sasl_ssl":
		return SASLTLS, nil
	}
	return 0, fmt.Errorf("want a security protocol (%s), got %q", strings.Join(protocolNames[:], ", "), s)
}

// String is our name of it.
func (p Protocol) String() string { return protocolNames[p] }

// Kafka is Kafka's name of it.
func (p Protocol) Kafka() string {
	return [...]string{"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"}[p]
}

// Encrypts reports whether TLS is spoken.
func (p Protocol) Encrypts() bool { return p == TLS || p == SASLTLS }

// Authenticates reports whether clients prove who they are by SASL.
func (p Protocol) Authenticates() bool { return p == SASLPlaintext || p == SASLTLS }
