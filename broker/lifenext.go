package broker

import (
	"context"
	"time"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
)

func leaving(b *coordinator.Broker) bool { return b.Leaving }

func (s *Server) announceLeave(ctx context.Context) error { return s.cluster.Leave(ctx) }

func (s *Server) registerAs(ctx context.Context, before int64, lost []protocol.TopicPartition) (int64, error) {
	if err := s.cluster.Register(ctx, coordinator.Registration{Before: before, Lost: lost}); err != nil {
		return 0, err
	}
	return s.cluster.Incarnation(), nil
}

func storeGone(c *coordinator.Cluster) (since time.Time, gone bool) { return since, false }
