package replica

import (
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/segment"
)

// Open recovers the partition's log and folds it. What the checkpoints cover is
// not read again; a checkpoint that is missing, damaged or ahead of the log is
// not used.
func Open(opts Options) (*Partition, error) {
	log, err := segment.Open(opts.FS, opts.Dir, opts.Settings.Log)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", opts.Dir, err)
	}
	p := &Partition{opts: opts, log: log, flushed: make(chan error, 1)}
	p.state.Store(unregistered)
	// Durable before anything that a crash left in the page cache is read from it.
	if err = log.Sync(); err == nil {
		p.m, err = NewMachine(MachineOptions{
			ID: opts.ID, Self: opts.Self, Log: log, Base: opts.Base, Budget: opts.Budget,
			Settings: opts.Settings, Limits: opts.Limits,
			LagMaxMs: opts.LagMaxMs, FetchTimeoutMs: fetchTimeoutMs, NowMs: opts.NowMs, SteadyMs: coreMs, Logger: opts.Logger,
			moreFolds: opts.moreFolds,
		})
	}
	if err != nil {
		return nil, fmt.Errorf("fold log %s: %w", opts.Dir, closeAlso(log, err))
	}
	p.publish()
	return p, nil
}

func closeAlso(log *segment.Log, err error) error {
	if cerr := log.Close(); cerr != nil {
		return fmt.Errorf("%w (and closing it: %w)", err, cerr)
	}
	return err
}

// stop takes no more proposals and waits for those that are under way.
func (p *Partition) stop() {
	p.mailbox.Lock()
	p.mailbox.closed = true
	p.mailbox.Unlock()
	p.loops.Wait()
	p.step(Stop{})
}

// Close takes no more proposals, writes the checkpoints and closes the log.
func (p *Partition) Close() error {
	p.stop()
	defer p.m.Close()
	if p.m.failed != nil {
		return p.log.Close()
	}
	c := &Call{}
	if p.step(Checkpoint{c}); c.Err != nil {
		p.opts.Logger.Warn("checkpoint write failed; the next start replays the log", "dir", p.opts.Dir, "error", c.Err)
	}
	return p.log.Close()
}

// Delete closes the partition without checkpoints and takes its locks out of
// the base. The caller removes the directory.
func (p *Partition) Delete() error {
	p.stop()
	p.m.Close()
	p.moved()
	return errors.Join(p.log.Close(), p.opts.Base.Delete(p.opts.ID))
}
