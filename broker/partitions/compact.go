package partitions

import (
	"context"
	"time"

	"github.com/lockstep-log/lockstep/replica"
)

// compactBurst is what compaction may read or write at once.
const compactBurst = 1 << 20

// RunCompaction makes passes of compaction where they are due, with
// log.cleaner.backoff.ms between two looks, until ctx ends.
func (h *Host) RunCompaction(ctx context.Context) error {
	for h.restFromCompaction(ctx) {
		h.compactAll(ctx)
	}
	return nil
}

// restFromCompaction waits until the next look is due, by the settings of that moment.
// It reports false when ctx ends.
func (h *Host) restFromCompaction(ctx context.Context) bool {
	since := time.Now()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for {
		due.Reset(time.Until(since.Add(h.settings.Load().CleanerBackoff())))
		select {
		case <-ctx.Done():
			return false
		case <-due.C:
			return true
		case <-h.settingsChanged:
		}
	}
}

// compactAll looks at all partitions, log.cleaner.threads of them at once. A pass may
// take minutes, and stops for nobody but ctx and the partition's end.
func (h *Host) compactAll(ctx context.Context) {
	b := h.settings.Load()
	h.eachAtOnce(int(b.CleanerThreads), func(t *Topic, p *Partition) {
		s := &t.Settings
		if !s.Compact || ctx.Err() != nil {
			return
		}
		_, err := p.Compact(ctx, replica.CompactOptions{
			MinCleanableDirtyRatio: s.MinCleanableDirtyRatio, MinCompactionLagMs: s.MinCompactionLagMs,
			MaxCompactionLagMs: s.MaxCompactionLagMs, DeleteRetentionMs: s.DeleteRetentionMs,
			MapBytes: b.CleanerDedupeBytes / int64(b.CleanerThreads), Pace: h.compactPace.WaitN,
		})
		if err != nil && ctx.Err() == nil {
			h.log.Warn("compaction failed", "topic", t.Name, "partition", p.Index, "error", err)
		}
	})
}
