package broker

import "github.com/lockstep-log/lockstep/broker/transport"

// transportOptions are what the connections of this broker go by.
func (s *Server) transportOptions() transport.Options {
	m := s.metrics
	return transport.Options{
		Handler: pipeline{s}, Logger: s.log,
		Limits:          transportLimits(),
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
