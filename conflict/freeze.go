package conflict

import "github.com/lockstep-log/lockstep/protocol"

// A generation, drawn:
//
//	young ──freeze──► frozen ──Flush──► writing ──Flushed──► flushed ──► dropped
//	                     ▲                  │ failed
//	                     └──────────────────┘
//
// Generations are frozen, written and dropped from the oldest on.

// Limits of a young generation beyond those of the Budget.
const (
	// foldBytesMax bounds what a restart has to read again.
	foldBytesMax = 1 << 30
	// frozenMax bounds the tables that a lookup searches while the high
	// watermark stands still.
	frozenMax = 4
)

func (c *LockTable) freezeIfDue() {
	g := &c.young
	if len(c.frozen) < frozenMax && (g.logBytes >= foldBytesMax || c.budget.wantsFrozen(g.bytes())) {
		c.freeze()
	}
}

func (c *LockTable) freeze() {
	if c.young.empty() {
		return
	}
	g := new(generation)
	*g = c.young
	g.asOfEnd = c.newest
	c.frozen = append(c.frozen, g)
	c.young = generation{start: g.end + 1, end: g.end}
}

// Flush returns the work of writing the oldest frozen generation to the Base,
// or nil when there is none that is wholly below the last stable offset, or one is
// being written already: what the Base has is decided, for good. The owner runs the work, on any goroutine, and then
// calls Flushed with its result. It is cheap to call when there is nothing to do.
//
// What lies below the last stable offset must be synced in the log before the work
// runs: a Base that is ahead of its log is worth nothing.
func (c *LockTable) Flush(stable protocol.Offset, nowMs int64) (work func() error) {
	if c.base == nil {
		return nil
	}
	c.freezeIfDue()
	c.dropFlushed()
	return c.write(stable, nowMs)
}

// Checkpoint is Flush, but freezes the young generation whatever its size:
// before the log is closed or trimmed. The owner repeats it until it returns
// nil; when Applied() then is below the offset to trim to, the last stable offset
// is not there yet. Base.Sync makes the result durable.
func (c *LockTable) Checkpoint(stable protocol.Offset, nowMs int64) (work func() error) {
	if c.base == nil {
		return nil
	}
	if c.young.end < min(stable, c.holds.first()) {
		c.freeze()
	}
	return c.write(stable, nowMs)
}

func (c *LockTable) write(stable protocol.Offset, nowMs int64) func() error {
	g := c.oldestUnflushed()
	// A table that folds its log again has open what the owner knows to be decided.
	if g == nil || c.writing != nil || g.end >= min(stable, c.holds.first()) {
		return nil
	}
	// Nothing that is not decided for good goes to the base, which cannot take a mark back.
	c.writing = c.base.writer(g, nowMs, c.options)
	return c.writing.writeGeneration
}

// Advance is for an owner that is about to trim the log up to the last stable offset
// while transactions hold up Checkpoint: it returns the work of bringing the Base up
// to there, or nil if it is there, or if not all is committed that was folded. What
// the Base is told of records behind it is committed too, and told again later.
func (c *LockTable) Advance(stable, highWatermark protocol.Offset, nowMs int64) (work func() error) {
	if c.base == nil || c.writing != nil || c.base.meta.applied+1 >= stable || c.young.end >= highWatermark {
		return nil
	}
	c.freeze()
	var all []*writer
	for _, g := range c.frozen {
		if g.flushed {
			continue
		}
		w := c.base.writer(g, nowMs, c.options)
		w.partial, w.meta.applied, w.meta.newest = true, stable-1, c.newest
		if n := len(all); n > 0 {
			w.meta.hasLocks, w.meta.hasIDs = w.meta.hasLocks || all[n-1].meta.hasLocks, w.meta.hasIDs || all[n-1].meta.hasIDs
		}
		all = append(all, w)
	}
	if len(all) == 0 {
		return nil
	}
	c.writing = all[len(all)-1]
	return func() error {
		for _, w := range all {
			if err := w.write(); err != nil {
				return err
			}
		}
		return nil
	}
}

func (c *LockTable) oldestUnflushed() *generation {
	for _, g := range c.frozen {
		if !g.flushed {
			return g
		}
	}
	return nil
}

// Flushed ends the work that Flush or Checkpoint returned. After an error the
// generation is kept and written again.
func (c *LockTable) Flushed(err error) {
	w := c.writing
	c.writing = nil
	if err == nil {
		// It stays in the window, where lookups need no read, until memory is wanted.
		w.g.flushed = !w.partial
		c.base.meta = w.meta
	}
	// What a Reset dropped during the write was still being read by it until now.
	for _, g := range c.stale {
		g.release(c.budget)
	}
	c.stale = nil
	c.dropFlushed()
}

// dropFlushed gives memory back. Until it is wanted, what the Base has stays
// in the window, where it is found without a read.
func (c *LockTable) dropFlushed() {
	for len(c.frozen) > 0 && c.frozen[0].flushed && (len(c.frozen) > 1 || c.budget.wantsDropped()) {
		c.frozen[0].release(c.budget)
		c.frozen[0] = nil
		c.frozen = c.frozen[1:]
	}
	if len(c.frozen) == 0 {
		c.frozen = nil
	}
}
