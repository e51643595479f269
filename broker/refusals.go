package broker

import (
	"cmp"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
)

// refusalsLogged is how many refusals a second are logged; all are counted, and
// the latest of each partition can be had over HTTP.
const refusalsLogged = 10

// refusals says in the log what most clients do not show: the reason.
type refusals struct {
	srv   *Server
	limit *rate.Limiter
}

func newRefusals(s *Server) *refusals {
	return &refusals{srv: s, limit: rate.NewLimiter(rate.Every(time.Second/refusalsLogged), refusalsLogged)}
}

func (r *refusals) log(log *slog.Logger, topic string, partition int32, refusal *protocol.Refusal, c *transport.Conn, clientID string) {
	if !r.limit.Allow() {
		return
	}
	log.Info("refused", "topic", topic, "partition", partition, "client", protocol.PrintableShort(clientID),
		"from", c.RemoteAddr().String(), "why", refusal.Message())
}

// hotLock is one of the most refused locks of the broker.
type hotLock struct {
	topic   string
	lock    string
	refused uint64
}

// hottest are the most refused locks over all partitions: few, so that they can
// be labels of a metric.
func (r *refusals) hottest() []hotLock {
	sum := map[hotLock]uint64{}
	r.srv.hosted.Each(func(t *partitions.Topic, p *partitions.Partition) {
		for _, h := range p.HotLocks() {
			sum[hotLock{topic: t.Name, lock: h.Lock}] += h.Refused
		}
	})
	all := make([]hotLock, 0, len(sum))
	for h, n := range sum {
		h.refused = n
		all = append(all, h)
	}
	slices.SortFunc(all, func(a, b hotLock) int {
		return cmp.Or(cmp.Compare(b.refused, a.refused), cmp.Compare(a.topic, b.topic), cmp.Compare(a.lock, b.lock))
	})
	return all[:min(len(all), conflict.HotLocksMax)]
}
