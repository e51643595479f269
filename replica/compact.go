package replica

import (
	"context"
	"errors"
	"time"

	"github.com/lockstep-log/lockstep/segment"
)

// CompactOptions say when a partition's log is compacted and at what price. The
// first four are the topic settings of those names.
type CompactOptions struct {
	MinCleanableDirtyRatio float64
	MinCompactionLagMs     int64
	MaxCompactionLagMs     int64 // not above 0: no bound
	DeleteRetentionMs      int64

	// MapBytes bounds the memory of a pass; default 128 MiB.
	MapBytes int64
	// Pace is told of bytes that were read or written, at most 256 KiB at a time,
	// and may wait; nil: never. At 50 MB a second, a writer that syncs each batch
	// to the same disk keeps more than 0.8 of its rate.
	Pace func(ctx context.Context, bytes int) error
}

// errClosing ends a pass whose partition is being closed.
var errClosing = errors.New("the partition is closing")

// Compact makes a pass of compaction over the log if one is due. Reading and
// rewriting run on the caller's goroutine, beside the loop, which only plans and
// swaps; Close waits for the pass, which then ends soon. Leaders and followers
// compact alike, each its own log, below the high watermark.
func (p *Partition) Compact(ctx context.Context, o CompactOptions) (segment.CompactStats, error) {
	if !p.holdOpen() {
		return segment.CompactStats{}, nil
	}
	defer p.loops.Done()
	due, err := p.compactionDue(&o)
	if err != nil || !due {
		return segment.CompactStats{}, err
	}
	began := time.Now()
	pass, err := p.planCompaction(o)
	if err != nil || pass == nil {
		return segment.CompactStats{}, err
	}
	err = errors.Join(p.compact(ctx, pass), pass.Close())
	stats := pass.Stats()
	if endedEarly(err) || err == nil {
		p.opts.Logger.Info("log compacted", "partition", p.opts.ID.Index, "keys", stats.Keys,
			"records", stats.RecordsIn, "kept", stats.RecordsOut, "bytes", stats.BytesRead, "written", stats.BytesWritten,
			"segments", stats.SegmentsIn, "took", time.Since(began), "complete", err == nil)
		return stats, nil
	}
	var damaged *segment.CorruptError
	if errors.As(err, &damaged) {
		p.Fail(err)
	}
	return stats, err
}

// endedEarly reports whether a pass only ended early: the next one will do.
func endedEarly(err error) bool {
	return errors.Is(err, errClosing) || errors.Is(err, segment.ErrCompactionStale) || errors.Is(err, segment.ErrClosed) ||
		errors.Is(err, context.Canceled)
}

// holdOpen has Close wait until loops.Done, unless the partition is closed.
func (p *Partition) holdOpen() bool {
	p.mailbox.Lock()
	defer p.mailbox.Unlock()
	if !p.mailbox.closed {
		p.loops.Add(1)
	}
	return !p.mailbox.closed
}

func (p *Partition) closing() bool {
	p.mailbox.Lock()
	defer p.mailbox.Unlock()
	return p.mailbox.closed
}

// compactionDue reports whether so much of the log is dirty, or for so long,
// that a pass is worth its price.
func (p *Partition) compactionDue(o *CompactOptions) (bool, error) {
	if p.Failed() {
		return false, nil
	}
	now := p.opts.NowMs()
	debt, err := p.log.Debt(now, p.LastStable(), o.MinCompactionLagMs)
	return err == nil && o.due(debt, now), err
}

func (o *CompactOptions) due(debt segment.Debt, nowMs int64) bool {
	if debt.DirtyBytes == 0 {
		return false
	}
	late := o.MaxCompactionLagMs > 0 && debt.OldestMs >= 0 && nowMs-debt.OldestMs > o.MaxCompactionLagMs
	return late || debt.Ratio() > o.MinCleanableDirtyRatio
}

func (p *Partition) planCompaction(o CompactOptions) (pass *segment.Compaction, err error) {
	p.runInLoop(func() {
		c := &Call{}
		p.step(PlanCompaction{o, c})
		if c.Plan == nil {
			return
		}
		c.Plan.Pace = p.paceOf(o)
		pass, err = p.log.Compact(*c.Plan)
	})
	return pass, err
}

// paceOf is the caller's pace, which also ends the pass of a partition that is closing.
func (p *Partition) paceOf(o CompactOptions) func(context.Context, int) error {
	return func(ctx context.Context, bytes int) error {
		if p.closing() {
			return errClosing
		}
		if o.Pace == nil {
			return nil
		}
		return o.Pace(ctx, bytes)
	}
}

// compact does the pass, step by step.
func (p *Partition) compact(ctx context.Context, pass *segment.Compaction) error {
	for {
		more, err := pass.Next(ctx)
		if err != nil || !more {
			return err
		}
		c := &Call{Pass: pass}
		ran := p.runInLoop(func() { p.step(AdoptCompaction{c}) })
		if !ran {
			return errClosing
		}
		if c.Err != nil {
			return c.Err
		}
	}
}
