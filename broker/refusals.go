package broker

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/broker/admin"
	"github.com/lockstep-log/lockstep/protocol"
)

// refusalsLogged is how many refusals a second are logged; all are counted, and
// the latest of each partition can be had over HTTP.
const refusalsLogged = 10

// refusals says in the log what most clients do not show: the reason. It keeps the
// latest of all partitions with the client ids that were refused, so that a client that
// shows the code alone can ask for its own; the lock table, which keeps those of its
// partition, knows no clients.
type refusals struct {
	limit *rate.Limiter

	mu struct {
		sync.Mutex
		ring []admin.ClientRefusal // oldest first from next on, once it is full
		next int
	}
}

// clientRefusalsKept is how many refusals a broker keeps with their clients.
const clientRefusalsKept = 1000

func newRefusals() *refusals {
	return &refusals{limit: rate.NewLimiter(rate.Every(time.Second/refusalsLogged), refusalsLogged)}
}

// keep notes who was refused what.
func (r *refusals) keep(c admin.ClientRefusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.mu.ring) < clientRefusalsKept {
		r.mu.ring = append(r.mu.ring, c)
		return
	}
	r.mu.ring[r.mu.next] = c
	r.mu.next = (r.mu.next + 1) % clientRefusalsKept
}

// of are the latest refusals of a client id, oldest first.
func (r *refusals) of(client string) (found []admin.ClientRefusal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.mu.ring {
		if c := r.mu.ring[(r.mu.next+i)%len(r.mu.ring)]; c.Client == client {
			found = append(found, c)
		}
	}
	return found
}

// noteRefusal keeps a refusal for who asks, and says a line. Where ACLs decide who may read a topic, its locks are named
// in no log: whoever reads that may not read the topic.
func (s *Server) noteRefusal(p *producing, part *producePart, refusal *protocol.Refusal) {
	s.refusals.keep(admin.ClientRefusal{Client: protocol.PrintableShort(p.x.Header.ClientID), Topic: part.topic.Name,
		Partition: part.index, TimeMs: time.Now().UnixMilli(), Refusal: *refusal})
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
