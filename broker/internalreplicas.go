package broker

import (
	"context"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/plan"
)

// growEvery is how often the controller looks whether internal topics lack replicas.
const growEvery = 3 * time.Second

// growInternalTopics has internal topics that were made when there were fewer brokers
// gain replicas, while this broker is controller: what a cluster keeps for its clients
// is to survive what their records do.
func (s *Server) growInternalTopics(ctx context.Context) error {
	tick := time.NewTicker(growEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		im := s.cluster.Image()
		if im.Controller != s.cfg.NodeID || len(im.Brokers()) < 2 {
			continue
		}
		for _, t := range im.Topics() {
			if !t.Internal {
				continue
			}
			targets := plan.MoreReplicas(im, t, int(s.cfg.Groups.OffsetsReplicas))
			if len(targets) == 0 {
				continue
			}
			failed := 0
			for _, err := range s.cluster.AlterReassignments(ctx, targets) {
				if err != nil {
					failed++
				}
			}
			s.log.Info("internal topic gains replicas", "topic", t.Name, "partitions", len(targets)-failed, "failed", failed)
		}
	}
}
