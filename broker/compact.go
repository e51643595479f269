package broker

import (
	"context"
	"time"

	"github.com/lockstep-log/lockstep/replica"
)

// compactBurst is what compaction may read or write at once.
const compactBurst = 1 << 20

// compact makes passes of compaction where they are due, with log.cleaner.backoff.ms
// between two looks, until ctx ends.
func (s *Server) compact(ctx context.Context) error {
	for s.restFromCompaction(ctx) {
		s.compactAll(ctx)
	}
	return nil
}

// restFromCompaction waits until the next look is due, by the settings of that moment.
// It reports false when ctx ends.
func (s *Server) restFromCompaction(ctx context.Context) bool {
	since := time.Now()
	due := stoppedTimer()
	defer due.Stop()
	for {
		due.Reset(time.Until(since.Add(s.live.now().CleanerBackoff())))
		select {
		case <-ctx.Done():
			return false
		case <-due.C:
			return true
		case <-s.live.changed:
		}
	}
}

// compactAll looks at all partitions, log.cleaner.threads of them at once. A pass may
// take minutes, and stops for nobody but ctx and the partition's end.
func (s *Server) compactAll(ctx context.Context) {
	b := s.live.now()
	s.hosted.eachOf(int(b.CleanerThreads), func(t *topic, p *partition) {
		if !t.settings.Compact || ctx.Err() != nil {
			return
		}
		_, err := p.Compact(ctx, replica.CompactOptions{
			MinCleanableDirtyRatio: t.settings.MinCleanableDirtyRatio, MinCompactionLagMs: t.settings.MinCompactionLagMs,
			MaxCompactionLagMs: t.settings.MaxCompactionLagMs, DeleteRetentionMs: t.settings.DeleteRetentionMs,
			MapBytes: b.CleanerDedupeBytes / int64(b.CleanerThreads), Pace: s.live.compactPace.WaitN,
		})
		if err != nil && ctx.Err() == nil {
			s.log.Warn("compaction failed", "topic", t.name, "partition", p.index, "error", err)
		}
	})
}
