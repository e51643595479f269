package broker

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/replica"
)

const (
	compactEvery = 15 * time.Second // log.cleaner.backoff.ms of Kafka
	// compactBytes is what compaction reads and writes in a second, over all
	// partitions: writers that sync each batch to the same disk keep most of their rate.
	compactBytes = 50 << 20
	compactBurst = 1 << 20
)

// compact makes passes of compaction where they are due, one partition after
// the other, until ctx ends. A pass may take minutes, and stops for nobody but
// ctx and the partition's end.
func (s *Server) compact(ctx context.Context) error {
	pace := rate.NewLimiter(compactBytes, compactBurst)
	tick := time.NewTicker(s.cfg.CompactInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s.hosted.each(func(t *topic, p *partition) {
			if !t.settings.Compact || ctx.Err() != nil {
				return
			}
			_, err := p.Compact(ctx, replica.CompactOptions{
				MinCleanableDirtyRatio: t.settings.MinCleanableDirtyRatio, MinCompactionLagMs: t.settings.MinCompactionLagMs,
				MaxCompactionLagMs: t.settings.MaxCompactionLagMs, DeleteRetentionMs: t.settings.DeleteRetentionMs, Pace: pace.WaitN,
			})
			if err != nil && ctx.Err() == nil {
				s.log.Warn("compaction failed", "topic", t.name, "partition", p.index, "error", err)
			}
		})
	}
}
