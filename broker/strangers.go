package broker

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// strangers are the first bytes of what is often sent to a Kafka port by mistake.
// None of them is the length of a frame that is allowed.
var strangers = []struct {
	begins string
	says   func(*Server, *boundListener) string
}{
	{"\x16\x03", func(_ *Server, l *boundListener) string {
		return fmt.Sprintf("the client speaks TLS, and listener %q is plain text; set its security.protocol to PLAINTEXT", l.Name)
	}},
	{"GET ", httpIsElsewhere}, {"HEAD", httpIsElsewhere}, {"POST", httpIsElsewhere}, {"PUT ", httpIsElsewhere}, {"DELE", httpIsElsewhere},
	{"PATC", httpIsElsewhere}, {"OPTI", httpIsElsewhere}, {"CONN", httpIsElsewhere}, {"PRI ", httpIsElsewhere},
	{"PROX", func(*Server, *boundListener) string {
		return "a proxy announces its client by the PROXY protocol, which is not spoken here"
	}},
	{"\r\n\r\n", func(*Server, *boundListener) string {
		return "a proxy announces its client by the PROXY protocol, which is not spoken here"
	}},
	{"SSH-", func(*Server, *boundListener) string { return "the client speaks SSH" }},
}

func httpIsElsewhere(s *Server, _ *boundListener) string {
	if s.http == nil {
		return "the client speaks HTTP, and this is the Kafka protocol's port"
	}
	return fmt.Sprintf("the client speaks HTTP, which is served at http://%s; this is the Kafka protocol's port", s.HTTPAddr())
}

// strangerHint says who begins like that, or nothing.
func (s *Server) strangerHint(l *boundListener, prefix [protocol.FrameLengthBytes]byte) string {
	for _, who := range strangers {
		if begins := string(prefix[:len(who.begins)]); begins == who.begins {
			return who.says(s, l)
		}
	}
	return ""
}
