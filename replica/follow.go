package replica

import (
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/internal/invariant"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// errDamaged: what a leader sent is not what a leader may send.
var errDamaged = errors.New("the leader's answer is damaged")

// FetchAnswered hands over the leader's answer and the batches that came with
// it. The bytes must stay as they are until release is called, which may be nil.
func (p *Partition) FetchAnswered(a FetchAnswer, batches []byte, release func()) {
	taken := p.note(func() {
		p.fetchAnswered(a, batches)
		if release != nil {
			release()
		}
	})
	if !taken && release != nil {
		release()
	}
}

func (p *Partition) fetchAnswered(a FetchAnswer, bytes []byte) {
	if p.core == nil || !p.core.awaits(&a) {
		return
	}
	p.inbox = p.inbox[:0]
	if a.Err == nil && !a.Diverging && len(bytes) > 0 {
		if err := p.view(bytes); err != nil {
			p.opts.Logger.Warn("what the leader sent is damaged; it is asked again", "partition", p.opts.ID.String(),
				"leader", p.core.Leader(), "offset", p.log.End(), "error", err)
			a.Err = fmt.Errorf("%w: %w", errDamaged, err)
		}
		a.HasBatches = len(p.inbox) > 0
	}
	if a.HasBatches && p.inbox[0].BaseOffset() < p.log.End() {
		if err := p.startOver(p.inbox[0].BaseOffset()); err != nil {
			_ = p.fail(err)
			return
		}
	}
	if a.Err == nil && a.LogStart > p.log.Start() {
		p.startAt = a.LogStart
	}
	p.core.FetchAnswered(a, coreMs())
	p.work()
	clear(p.inbox)
}

// view takes the answer's bytes apart; each batch's checksum is compared. A log
// that begins anew may begin inside a batch, where DeleteRecords has put its
// leader's start.
func (p *Partition) view(bytes []byte) error {
	next := p.log.End()
	for len(bytes) > 0 {
		b, n, err := record.View(bytes)
		if err != nil {
			return err
		}
		if b.BaseOffset() < next && !(len(p.inbox) == 0 && p.log.Start() == next && b.NextOffset() > next) {
			return fmt.Errorf("offset %d comes where %d was asked for", b.BaseOffset(), next)
		}
		next, bytes = b.NextOffset(), bytes[n:]
		p.inbox = append(p.inbox, b)
	}
	return nil
}

// appendFetched writes what came from the leader, folds it and syncs it.
func (p *Partition) appendFetched() {
	invariant.Check(!p.syncing, "a follower appends while a sync is under way")
	now := p.opts.NowMs()
	if err := p.log.Append(now, p.inbox...); err != nil {
		_ = p.fail(err)
		return
	}
	for _, b := range p.inbox {
		p.producers.Fold(b, now)
		if err := foldBatch(p.locks, b, p.opts.Limits); err != nil {
			_ = p.fail(err)
			return
		}
		p.unsynced += int64(b.NextOffset() - b.BaseOffset())
	}
	p.core.Appended(coreMs())
	if p.unsynced >= p.settings.FlushMessages {
		if p.sync() != nil {
			return
		}
	}
	p.core.Synced(p.log.End(), coreMs())
	p.flushFrozen(now)
}

// truncate cuts off what the leader does not have, and folds what is left.
func (p *Partition) truncate(to protocol.Offset) {
	invariant.Check(!p.syncing, "a log is truncated while a sync is under way")
	was := p.log.End()
	if err := p.log.Truncate(to); err != nil {
		_ = p.fail(err)
		return
	}
	p.unsynced = 0
	p.opts.Logger.Info("log truncated to what the leader has", "partition", p.opts.ID.String(), "leader", p.core.Leader(),
		"epoch", p.core.Epoch(), "from", was, "to", p.log.End(), "high watermark", p.HighWatermark())
	p.reap(true)
	p.locks.Reset()
	if err := p.refoldAll(p.locks.Applied() + 1); err != nil {
		_ = p.fail(err)
		return
	}
	p.core.Truncated(coreMs())
}

// restart empties the log, which begins anew at an offset that the leader has.
// What was written to locks in between is not known, and neither is what it
// overwrote: the table begins there too, and answers UNKNOWN below.
func (p *Partition) restart(at protocol.Offset) {
	p.opts.Logger.Warn("the leader's log begins behind this one's end; starting over from there", "partition", p.opts.ID.String(),
		"leader", p.core.Leader(), "end", p.log.End(), "from", at)
	if err := p.startOver(at); err != nil {
		_ = p.fail(err)
		return
	}
	p.core.Truncated(coreMs())
}

// startOver empties the log and the lock table, which both begin anew at an
// offset; the log has nothing below it.
func (p *Partition) startOver(at protocol.Offset) error {
	p.reap(true)
	p.locks.Close()
	if err := p.opts.Base.Delete(p.opts.ID); err != nil {
		return fmt.Errorf("forget the lock table: %w", err)
	}
	begin := p.log.SetStart
	if at < p.log.End() {
		begin = p.log.Truncate
	}
	if err := begin(at); err != nil {
		return err
	}
	p.unsynced = 0
	from, err := p.openLocks(p.log.End())
	if err != nil {
		return err
	}
	return p.refoldAll(from)
}

// refoldAll folds the log anew: the producers from their newest checkpoint, the
// lock table from an offset.
func (p *Partition) refoldAll(locksAt protocol.Offset) error {
	end, was := p.log.End(), p.producers
	producersAt := p.openProducers(end)
	p.saved = producersAt
	if err := p.fold(producersAt, locksAt, end); err != nil {
		return err
	}
	p.producers.Succeed(was)
	return nil
}

// foldQuietMax is how many offsets are folded without a word in the log: they
// take a second or two.
const foldQuietMax = 250_000

// fold folds the log up to its end, each fold from where it is.
func (p *Partition) fold(producersAt, locksAt, end protocol.Offset) error {
	now, from := p.opts.NowMs(), max(p.log.Start(), min(producersAt, locksAt))
	long := end-from > foldQuietMax
	if long {
		p.opts.Logger.Info("folding what the log has beyond its checkpoints; the partition waits for it",
			"partition", p.opts.ID.String(), "from", from, "to", end)
	}
	err := p.log.Scan(from, end, func(b record.Batch) error {
		if b.LastOffset() >= producersAt {
			p.producers.Fold(b, now)
		}
		if b.LastOffset() >= locksAt {
			return p.refold(b, now)
		}
		return nil
	})
	if long && err == nil {
		p.opts.Logger.Info("folded", "partition", p.opts.ID.String(), "to", end, "seconds", float64(p.opts.NowMs()-now)/1000)
	}
	return err
}

// refold folds a batch that the base does not have, and keeps the window within
// its budget on the way. The base never gets ahead of the high watermark, so
// what lies above it stays in the window.
func (p *Partition) refold(b record.Batch, now int64) error {
	if err := foldBatch(p.locks, b, p.opts.Limits); err != nil {
		return err
	}
	work := p.locks.Flush(p.HighWatermark(), now)
	if work == nil {
		return nil
	}
	err := work()
	p.locks.Flushed(err)
	return err
}

// foldBatch opens a batch only when the table needs to see its records.
func foldBatch(table *conflict.Coordinator, b record.Batch, limits record.Limits) error {
	if !conflict.NeedsRecords(b) {
		table.Fold(b, nil)
		return nil
	}
	recs, err := b.Open(limits)
	if err != nil {
		return fmt.Errorf("batch at offset %d: %w", b.BaseOffset(), err)
	}
	defer recs.Release()
	table.Fold(b, &recs)
	return nil
}
