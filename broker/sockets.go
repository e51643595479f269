package broker

import (
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// transportOptions are what the connections of this broker go by.
func (s *Server) transportOptions() transport.Options {
	m := s.metrics
	return transport.Options{
		Handler: handler{s}, Logger: s.log,
		Limits: transport.LimitsOf(map[int16]transport.Limits{
			protocol.KeyProduce: {Pipelined: true, MemoryFactor: 1}, // its answer is short
		}),
		RequestBytesMax: s.cfg.RequestBytesMax, MemoryBytesMax: s.cfg.FramesBytesMax,
		IdleTimeout: s.cfg.IdleTimeout, FrameTimeout: s.cfg.FrameTimeout, WriteTimeout: s.cfg.WriteTimeout,
		ConnectionsMax: s.connectionsMax, FilesMax: s.descriptors.limit, HTTPAddr: s.HTTPAddr,
		Metrics: transport.Metrics{
			Opened:     func(listener string) { m.Connections(listener).Inc() },
			Closed:     func(listener string) { m.Connections(listener).Dec() },
			TurnedAway: m.TurnedAway.Inc, BadRequest: m.BadRequests.Inc, Panicked: m.Panics.Inc,
			Answered: s.countAnswer,
		},
	}
}

// handler is what the connections hand their requests to.
type handler struct{ srv *Server }

func (h handler) Handle(x *transport.Exchange) error        { return h.srv.handle(x) }
func (h handler) HandleRefused(x *transport.Exchange) error { return h.srv.handleRefused(x) }
func (h handler) ConnectionEnded(c *transport.Conn)         { connectionEnded(c) }
