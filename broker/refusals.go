package broker

import (
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/broker/transport"
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

func (r *refusals) log(log *slog.Logger, topic string, partition int32, refusal *protocol.Refusal, c *transport.Conn, clientID string) {
	if !r.limit.Allow() {
		return
	}
	log.Info("refused", "topic", topic, "partition", partition, "client", protocol.PrintableShort(clientID),
		"from", c.RemoteAddr().String(), "why", refusal.Message())
}
