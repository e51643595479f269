package replica

import (
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// checkpointEvery is how many offsets may pass before the producer table is
// saved again: it bounds what a start after a crash has to fold.
const checkpointEvery = 1_000_000

// Housekeep does what time asks for: flush.ms, expiry of silent producers,
// checkpoints. The broker calls it now and then for each partition, and then
// makes the lock base durable and calls Retain.
func (p *Partition) Housekeep() (err error) {
	p.do(func() { err = p.housekeep() })
	return err
}

func (p *Partition) housekeep() error {
	p.tick()
	if p.failed != nil {
		return nil
	}
	now := p.opts.NowMs()
	if err := p.followStart(); err != nil {
		return err
	}
	if p.unsynced > 0 && now-p.syncedMs >= p.settings.FlushMs {
		if err := p.sync(); err != nil {
			return err
		}
		p.syncedMs = now
	}
	p.producers.Expire(now - p.settings.ProducerMs)
	if p.log.End() >= p.saved+checkpointEvery {
		if err := p.saveProducers(); err != nil {
			return err
		}
	}
	// The lock table is saved when retention waits for it, and not by the
	// clock: a million locks take the base a second.
	expires, err := p.log.Expires(now, p.HighWatermark())
	if err != nil || !expires {
		return err
	}
	return p.saveLocks()
}

// Retain drops the segments that the topic's retention no longer keeps. It is
// called after the lock base was synced: a segment goes only when the lock
// table can do without it, whatever happens next.
func (p *Partition) Retain() (err error) {
	p.do(func() {
		if p.failed != nil {
			return
		}
		before := p.log.Start()
		after, rerr := p.log.Retain(p.opts.NowMs(), min(p.HighWatermark(), p.lockedAt+1))
		if rerr != nil {
			err = p.fail(rerr)
		}
		if after != before {
			p.moved()
		}
	})
	return err
}

// checkpoint saves both folds. It runs in the loop, or after it.
func (p *Partition) checkpoint() error {
	return errors.Join(p.saveLocks(), p.saveProducers())
}

// saveLocks brings the lock base up to the high watermark.
func (p *Partition) saveLocks() error {
	if err := p.settle(); err != nil {
		return err
	}
	now := p.opts.NowMs()
	p.reap(true)
	for {
		work := p.locks.Checkpoint(p.HighWatermark(), now)
		if work == nil {
			p.lockedAt = p.locks.Applied()
			return nil
		}
		err := work()
		p.locks.Flushed(err)
		if err != nil {
			return fmt.Errorf("checkpoint the lock table: %w", err)
		}
	}
}

// saveProducers writes the producer table beside the log.
func (p *Partition) saveProducers() error {
	end := p.log.End()
	if end == p.saved {
		return nil
	}
	if err := p.settle(); err != nil {
		return err
	}
	if err := p.log.WriteCheckpoint(producersName, end, p.producers.AppendTo(nil)); err != nil {
		return fmt.Errorf("checkpoint the producers: %w", err)
	}
	p.saved = end
	if err := p.log.WriteCheckpoint(committedName, p.HighWatermark(), nil); err != nil {
		return fmt.Errorf("note the high watermark: %w", err)
	}
	return nil
}

// followStart raises a follower's log start to its leader's, as far as the log
// is committed here.
func (p *Partition) followStart() error {
	to := min(p.startAt, p.HighWatermark())
	if p.core == nil || p.core.role != RoleFollower || to <= p.log.Start() {
		return nil
	}
	return p.deleteBefore(to)
}

// flushFrozen writes a retired generation of the lock table to its base, beside
// the loop: a million locks take the base a second.
func (p *Partition) flushFrozen(now int64) {
	p.reap(false)
	if p.flushing {
		return
	}
	work := p.locks.Flush(p.HighWatermark(), now)
	if work == nil {
		return
	}
	if err := p.settle(); err != nil {
		p.locks.Flushed(err)
		return
	}
	p.flushing = true
	p.loops.Add(1)
	go func() {
		defer p.loops.Done()
		p.flushed <- work()
	}()
}

// reap takes the result of a base write that has ended, or, if it is to wait,
// that will end.
func (p *Partition) reap(wait bool) {
	if !p.flushing {
		return
	}
	var err error
	if wait {
		err = <-p.flushed
	} else {
		select {
		case err = <-p.flushed:
		default:
			return
		}
	}
	p.flushing = false
	p.locks.Flushed(err)
	if err != nil {
		p.opts.Logger.Error("lock base not written; its locks stay in memory", "partition", p.opts.ID.String(), "error", err)
	}
}

// ErrOffsetOutOfRange: DeleteRecords named an offset that is not in the log.
var ErrOffsetOutOfRange = errors.New("offset out of range")

// DeleteBefore moves the log start to the offset, or to the high watermark when
// it is -1, and returns the new start. Lock history is not touched by it.
func (p *Partition) DeleteBefore(o protocol.Offset) (start protocol.Offset, err error) {
	ran := p.do(func() {
		hw := p.HighWatermark()
		if o == -1 {
			o = hw
		}
		switch {
		case p.failed != nil:
			err = p.failed
		case p.core == nil || p.core.role != RoleLeader:
			err = ErrNotLeader
		case o < 0 || o > hw:
			err = ErrOffsetOutOfRange
		case o <= p.log.Start():
		default:
			err = p.deleteBefore(o)
		}
		start = p.log.Start()
	})
	if !ran {
		return -1, ErrNotLeader
	}
	return start, err
}

func (p *Partition) deleteBefore(o protocol.Offset) error {
	if err := p.checkpoint(); err != nil {
		return err
	}
	if err := p.opts.Base.Sync(); err != nil {
		return fmt.Errorf("sync the lock base: %w", err)
	}
	if err := p.log.SetStart(o); err != nil {
		return p.fail(err)
	}
	p.moved()
	return nil
}

// SetSettings takes the topic's new settings into force.
func (p *Partition) SetSettings(s Settings) {
	p.do(func() {
		p.settings, p.opts.Settings = s, s
		p.log.SetConfig(s.Log)
		if p.core != nil {
			p.core.SetMinInsync(s.MinInsync)
		}
		p.locks.SetRetention(s.LockRetentionMs, s.LockIDRetention)
	})
}

// ProducerStates lists the idempotent producers.
func (p *Partition) ProducerStates() (states []ProducerState, err error) {
	if !p.do(func() { states = p.producers.States() }) {
		return nil, ErrNotLeader
	}
	return states, nil
}
