package broker

import (
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/protocol"
)

// refusalsLogged is how many refusals a second are logged; all are counted, and
// the latest of each partition can be had over HTTP.
const refusalsLogged = 10

// refusals says in the log what most clients do not show: the reason.
type refusals struct{ limit *rate.Limiter }

func newRefusals() *refusals {
	return &refusals{limit: rate.NewLimiter(rate.Every(time.Second/refusalsLogged), refusalsLogged)}
}

// logRefusal says a line. Where ACLs decide who may read a topic, its locks are named
// in no log: whoever reads that may not read the topic.
func (s *Server) logRefusal(p *producing, part *producePart, refusal *protocol.Refusal) {
	if !s.refusals.limit.Allow() {
		return
	}
	why := refusal.Message()
	if s.authorizer != nil {
		why = refusal.Kind.String()
	}
	s.log.Info("refused", "topic", part.topic.Name, "partition", part.index, "client", protocol.PrintableShort(p.x.Header.ClientID),
		"from", p.x.Conn.RemoteAddr().String(), "why", why)
}
