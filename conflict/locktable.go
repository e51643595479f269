package conflict

import (
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// LockTable is the lock table of one partition.
//
// It is a plain value with one owner: no goroutine, lock or clock. The owner
// calls Judge and Mark for what it appends with lock headers, Observe for what
// it appends without, Fold for what it reads back from a log or a leader, all
// in the order of the log; and Flush from time to time.
//
// An idle one holds no memory but its own few hundred bytes.
type LockTable struct {
	base    *Part // nil: everything stays in memory
	budget  *Budget
	options Options

	frozen []*generation // oldest first; each ends where the next one starts
	young  generation
	newest newest
	start  protocol.Offset // history start while there is no base

	writing *writer       // at work on frozen's oldest, on another goroutine
	stale   []*generation // to be freed when it is done

	holds holds

	refusals refusals
	hot      hotLocks
}

// Options are what a LockTable is opened with.
type Options struct {
	// Base is the partition's place in the broker's Base. Without one nothing
	// ever leaves memory: that is for replays and tests.
	Base *Part
	// Budget is shared by all partitions; nil is one of its own.
	Budget *Budget
	// LogStart and LogEnd bound what the log holds: offsets from LogStart up
	// to, but not including, LogEnd.
	LogStart, LogEnd protocol.Offset
	// LockRetentionMs is lock.retention.ms: for how long a lock is remembered
	// after its last write, at least. Default: for ever.
	LockRetentionMs protocol.Limit
	// IDRetentionMs is lock.id.retention.ms, the same for a lock-id.
	IDRetentionMs protocol.Limit
}

// Open returns the table as the Base has it. The caller then folds the log
// from Applied()+1, or from its start where that is later.
//
// A Base that cannot have been folded from this log is emptied. One that is
// ahead of the log knows what the log lost; one that is so far behind that the
// log no longer reaches back to it may have missed writes: then the lock
// history starts with the log.
func Open(o Options) (*LockTable, error) {
	c := &LockTable{base: o.Base, options: o}
	if c.budget = o.Budget; c.budget == nil {
		c.budget = NewBudget(0)
	}
	if err := c.base.reconcile(o.LogStart, o.LogEnd); err != nil {
		return nil, fmt.Errorf("open lock table: %w", err)
	}
	c.start = o.LogStart
	c.restart()
	return c, nil
}

// SetRetention changes both retentions; values are as in Options.
func (c *LockTable) SetRetention(lockMs, idMs protocol.Limit) {
	c.options.LockRetentionMs, c.options.IDRetentionMs = lockMs, idMs
}

// restart makes the table what the Base has.
func (c *LockTable) restart() {
	c.newest = newest{offset: protocol.None}
	applied := c.start - 1
	if c.base != nil {
		applied, c.newest = c.base.meta.applied, c.base.meta.newest
	}
	c.young = generation{start: applied + 1, end: applied}
	c.holds = holds{marked: protocol.None}
}

// Reset forgets all that is not in the Base: the owner has truncated the log
// and folds again from Applied()+1.
func (c *LockTable) Reset() {
	c.Close()
	c.restart()
}

// Close gives the window's memory back to the Budget. What is not in the Base
// is folded again by the next Open; after work that is still running there must
// be a last Flushed.
func (c *LockTable) Close() {
	for _, g := range c.frozen {
		c.discard(g)
	}
	c.frozen = nil
	c.young.release(c.budget)
}

// discard frees a generation, at once or when nobody reads it any more.
func (c *LockTable) discard(g *generation) {
	if c.writing != nil && g == c.writing.g {
		c.stale = append(c.stale, g)
		return
	}
	g.release(c.budget)
}

// Applied is the offset up to which the Base has folded the log; None if it
// has nothing. The log must keep what lies behind it.
func (c *LockTable) Applied() protocol.Offset {
	if c.base == nil {
		return c.start - 1
	}
	return c.base.meta.applied
}

// End is the offset of the newest batch folded; Applied() if there was none.
func (c *LockTable) End() protocol.Offset { return c.young.end }

// HistoryStart is the offset from which on every write of every lock is known.
func (c *LockTable) HistoryStart() protocol.Offset { return c.historyStart() }

func (c *LockTable) historyStart() protocol.Offset {
	if c.base == nil {
		return c.start
	}
	return c.base.historyStart()
}

// Last is the newest write of a lock, by its decoded name, and the lock-id of
// the writer. known is false when no write is known.
func (c *LockTable) Last(name []byte) (last protocol.Offset, by string, known bool, err error) {
	h := hashOf(name)
	for i := len(c.frozen); i >= 0; i-- {
		g := &c.young
		if i < len(c.frozen) {
			g = c.frozen[i]
		}
		if last := g.last(h); last != protocol.None {
			return last, string(g.writerOf(last)), true, nil
		}
	}
	last, writer, err := c.base.lock(name)
	return last, string(writer), last != protocol.None, err
}

// HoldsLocks reports whether a write of any lock is known.
func (c *LockTable) HoldsLocks() bool {
	if c.base != nil && c.base.meta.hasLocks || !c.young.locks.empty() {
		return true
	}
	return slices.ContainsFunc(c.frozen, func(g *generation) bool { return !g.locks.empty() })
}

// LastRecord is Last for the whole partition: the newest data record that is decided.
func (c *LockTable) LastRecord() (last protocol.Offset, by string, known bool) {
	return c.newest.offset, string(c.newest.by.text()), c.newest.offset != protocol.None
}

// windowStart is W: the offset from which on every mark is in memory.
func (c *LockTable) windowStart() protocol.Offset {
	if len(c.frozen) > 0 {
		return c.frozen[0].start
	}
	return c.young.start
}
