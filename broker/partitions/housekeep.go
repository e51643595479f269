package partitions

import (
	"context"
	"fmt"
	"time"
)

// RunHousekeeping goes over the partitions at each interval, until ctx ends.
func (h *Host) RunHousekeeping(ctx context.Context, interval time.Duration) error {
	Every(ctx, interval, func() { h.housekeep(ctx) })
	return nil
}

// housekeep goes over the partitions: first what makes checkpoints, then the one
// sync of the lock base that they share, then what may drop segments.
func (h *Host) housekeep(ctx context.Context) {
	round := func(what string, f func(*Partition) error) {
		h.eachAtOnce(int(h.settings.Load().BackgroundThreads), func(t *Topic, p *Partition) {
			if ctx.Err() != nil {
				return
			}
			if err := f(p); err != nil {
				h.log.Warn(what+" failed", "topic", t.Name, "partition", p.Index, "error", err)
			}
		})
	}
	round("housekeeping", func(p *Partition) error { return p.Housekeep() })
	if err := h.o.Base.Sync(); err != nil {
		h.log.Warn("lock base not synced; retention waits for it", "error", err)
		return
	}
	round("retention", func(p *Partition) error { return p.Retain() })
}

// Tick tells the partitions that time passes, and the log what there is too much of
// to be told at once. It is to be called about ten times a second.
func (h *Host) Tick() {
	starving := 0
	h.Each(func(_ *Topic, p *Partition) {
		p.Tick()
		if p.WriteStalled() {
			starving++
		}
	})
	if starving > 0 && !h.o.Space.Full() { // which is said already
		h.starvingLogged.Do(func() { h.log.Warn(h.starvingText(starving)) })
	}
	h.isrLog.sum()
}

// DescriptorProblem says how many partitions cannot open their files; "" when all can.
func (h *Host) DescriptorProblem() string {
	n := 0
	h.Each(func(_ *Topic, p *Partition) {
		if p.WriteStalled() {
			n++
		}
	})
	if n == 0 || h.o.Space.Full() {
		return ""
	}
	return h.starvingText(n)
}

func (h *Host) starvingText(n int) string {
	return fmt.Sprintf("%d partitions cannot open their logs, and their writers wait: "+
		"the process may have %d files open, and has. Raise the limit (ulimit -n, LimitNOFILE)", n, h.o.DescriptorsMax)
}
