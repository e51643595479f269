package transport

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// otherProtocols are the first bytes of what is often sent to a Kafka port by
// mistake. None of them is the length of a frame that is allowed.
var otherProtocols = []struct {
	begins string
	says   func(*Conn) string
}{
	{"\x16\x03", func(c *Conn) string {
		return fmt.Sprintf("the client speaks TLS, and listener %q is plain text; "+
			"set its security.protocol to PLAINTEXT", c.listener.Name)
	}},
	{"GET ", httpIsElsewhere}, {"HEAD", httpIsElsewhere}, {"POST", httpIsElsewhere}, {"PUT ", httpIsElsewhere},
	{"DELE", httpIsElsewhere}, {"PATC", httpIsElsewhere}, {"OPTI", httpIsElsewhere},
	{"CONN", httpIsElsewhere}, {"PRI ", httpIsElsewhere},
	{"PROX", proxyAnnounced}, {"\r\n\r\n", proxyAnnounced},
	{"SSH-", func(*Conn) string { return "the client speaks SSH" }},
}

func proxyAnnounced(*Conn) string {
	return "a proxy announces its client by the PROXY protocol, which is not spoken here"
}

func httpIsElsewhere(c *Conn) string {
	addr := ""
	if c.srv.o.HTTPAddr != nil {
		addr = c.srv.o.HTTPAddr()
	}
	if addr == "" {
		return "the client speaks HTTP, and this is the Kafka protocol's port"
	}
	return fmt.Sprintf("the client speaks HTTP, which is served at http://%s; this is the Kafka protocol's port", addr)
}

// otherProtocol says what the client speaks that begins like that, or nothing.
func (c *Conn) otherProtocol(prefix [protocol.FrameLengthBytes]byte) string {
	for _, p := range otherProtocols {
		if string(prefix[:len(p.begins)]) == p.begins {
			return p.says(c)
		}
	}
	return ""
}
