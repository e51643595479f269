package replica

import (
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// producersName is the name of the producer table's checkpoints.
const producersName = "producers"

// committedName is the name of the checkpoints that are at a high watermark and
// hold nothing else.
const committedName = "committed"

// Open recovers the partition's log and folds it. What the checkpoints cover is
// not read again; a checkpoint that is missing, damaged or ahead of the log is
// not used.
func Open(opts Options) (*Partition, error) {
	log, err := segment.Open(opts.FS, opts.Dir, opts.Settings.Log)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", opts.Dir, err)
	}
	p := &Partition{opts: opts, log: log, settings: opts.Settings, lockedAt: protocol.None, flushed: make(chan error, 1)}
	p.state.Store(unborn)
	if err := p.recover(); err != nil {
		if p.locks != nil {
			p.locks.Close()
		}
		return nil, fmt.Errorf("fold log %s: %w", opts.Dir, closeAlso(log, err))
	}
	return p, nil
}

func closeAlso(log *segment.Log, err error) error {
	if cerr := log.Close(); cerr != nil {
		return fmt.Errorf("%w (and closing it: %w)", err, cerr)
	}
	return err
}

// recover makes the folds equal to the log, and the log durable before anything
// that a crash left in the page cache can be read from it.
func (p *Partition) recover() error {
	if err := p.log.Sync(); err != nil {
		return err
	}
	end := p.log.End()
	producersAt := p.openProducers(end)
	locksAt, err := p.openLocks(end)
	if err != nil {
		return err
	}
	p.saved = producersAt
	p.highWatermark.Store(int64(min(max(p.committedBefore(end), locksAt, p.log.Start()), end)))
	return p.fold(producersAt, locksAt, end)
}

// committedBefore is the newest high watermark that an earlier start noted: how
// far the log was committed for certain.
func (p *Partition) committedBefore(end protocol.Offset) protocol.Offset {
	at, _, _ := p.log.ReadCheckpoint(committedName, end)
	return at
}

// openProducers returns the offset from which the producer table is to be folded.
func (p *Partition) openProducers(end protocol.Offset) protocol.Offset {
	p.producers = NewProducers()
	at, data, ok := p.log.ReadCheckpoint(producersName, end)
	if !ok {
		return p.log.Start()
	}
	table, err := DecodeProducers(data)
	if err != nil {
		p.opts.Logger.Warn("producer checkpoint is of no use; folding the log instead", "dir", p.opts.Dir, "error", err)
		return p.log.Start()
	}
	p.producers = table
	return at
}

// openLocks returns the offset from which the lock table is to be folded.
func (p *Partition) openLocks(end protocol.Offset) (protocol.Offset, error) {
	part, err := p.opts.Base.Partition(p.opts.ID)
	if err != nil {
		return 0, err
	}
	c, err := conflict.Open(conflict.Options{
		Base:            part,
		Budget:          p.opts.Budget,
		LogStart:        p.log.Start(),
		LogEnd:          end,
		LockRetentionMs: p.settings.LockRetentionMs,
		IDRetentionMs:   p.settings.LockIDRetention,
	})
	if err != nil {
		return 0, err
	}
	p.locks = c
	return c.Applied() + 1, nil
}

// stop takes no more proposals and waits for those that are under way.
func (p *Partition) stop() {
	p.mail.Lock()
	p.mail.closed = true
	p.mail.Unlock()
	p.loops.Wait()
	if p.core != nil && p.core.role == RoleFollower {
		p.opts.Host.StopFetch(p)
	}
	p.abort(ErrNotLeader)
	p.reap(true)
}

// Close takes no more proposals, writes the checkpoints and closes the log.
func (p *Partition) Close() error {
	p.stop()
	defer p.locks.Close()
	if p.failed != nil {
		return p.log.Close()
	}
	if err := p.checkpoint(); err != nil {
		p.opts.Logger.Warn("checkpoints not written; the next start folds the log", "dir", p.opts.Dir, "error", err)
	}
	return p.log.Close()
}

// Delete closes the partition without checkpoints and takes its locks out of
// the base. The caller removes the directory.
func (p *Partition) Delete() error {
	p.stop()
	p.locks.Close()
	p.moved()
	return errors.Join(p.log.Close(), p.opts.Base.Delete(p.opts.ID))
}
