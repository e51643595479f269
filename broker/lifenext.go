package broker

import (
	"context"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
)

func leaving(b *coordinator.Broker) bool { return false }

func (s *Server) announceLeave(ctx context.Context) error { return nil }

func (s *Server) registerAs(ctx context.Context, before int64, lost []protocol.TopicPartition) (int64, error) {
	if err := s.cluster.Register(ctx); err != nil {
		return 0, err
	}
	b, _ := s.cluster.Image().Broker(s.cfg.NodeID)
	return b.Incarnation, nil
}
