package replica

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/segment"
)

// LockEntry is one row of a lock table.
type LockEntry struct {
	Name string // decoded
	Last protocol.Offset
	By   string
}

// Comparison is what became of a lock table beside a replay of its log.
type Comparison struct {
	LogStart, LogEnd protocol.Offset
	Applied          protocol.Offset // up to where the base has it; the rest was folded from the log
	Locks            int             // in the table
	Replayed         int             // in the replay
	Differ           []string        // in words; empty: they are equal
	Table            []LockEntry     // by name
}

// differencesMax bounds what a Comparison lists.
const differencesMax = 20

// Compare recovers a partition as a start of the broker would, base and log,
// and folds the log a second time from its start into an empty table. It is for
// people and tests, on a data directory that no broker has open.
//
// Where the log no longer goes back to offset 0, the table may know more than
// the replay: writes that were deleted since.
func Compare(opts Options) (c Comparison, err error) {
	p, err := Open(opts)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	c = Comparison{LogStart: p.log.Start(), LogEnd: p.log.End(), Applied: p.m.LockTable().Applied()}
	replay, err := replayOf(p.log, opts.Limits)
	if err != nil {
		return c, fmt.Errorf("replay %s: %w", opts.Dir, err)
	}
	if c.Table, err = entriesOf(p.m.LockTable()); err != nil {
		return c, err
	}
	replayed, err := entriesOf(replay)
	if err != nil {
		return c, err
	}
	c.Locks, c.Replayed = len(c.Table), len(replayed)
	c.compare(c.Table, replayed)
	have, _, _ := p.m.LockTable().LastRecord()
	if want, _, known := replay.LastRecord(); known && have != want {
		c.differ("the newest record is at offset %v in the table and at %v in the log", have, want)
	}
	return c, nil
}

// replayOf folds a log into a table that has nothing but it.
func replayOf(log *segment.Log, limits record.Limits) (*conflict.LockTable, error) {
	table, err := conflict.Open(conflict.Options{LogStart: log.Start(), LogEnd: log.End()})
	if err != nil {
		return nil, err
	}
	folds := folds{limits: limits, locks: &lockFold{table: table}}
	folds.all = []Fold{folds.locks}
	return table, log.Scan(log.Start(), log.End(), func(b record.Batch) error { return folds.apply(b, false, 0) })
}

func entriesOf(t *conflict.LockTable) (all []LockEntry, err error) {
	err = t.Dump(func(name []byte, last protocol.Offset, by []byte) {
		all = append(all, LockEntry{string(name), last, string(by)})
	})
	return all, err
}

// compare merges two tables, both by name.
func (c *Comparison) compare(table, replay []LockEntry) {
	for len(table) > 0 || len(replay) > 0 {
		switch order := firstName(table, replay); {
		case order < 0:
			if t := table[0]; t.Last >= c.LogStart {
				c.differ("lock %q: offset %v in the table, never written in the log", t.Name, t.Last)
			}
			table = table[1:]
		case order > 0:
			c.differ("lock %q: not in the table, offset %v in the log", replay[0].Name, replay[0].Last)
			replay = replay[1:]
		default:
			if table[0] != replay[0] {
				c.differ("lock %q: offset %v by %q in the table, %v by %q in the log",
					table[0].Name, table[0].Last, table[0].By, replay[0].Last, replay[0].By)
			}
			table, replay = table[1:], replay[1:]
		}
	}
}

// firstName orders the heads of two lists; an empty one comes last.
func firstName(a, b []LockEntry) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	default:
		return bytes.Compare([]byte(a[0].Name), []byte(b[0].Name))
	}
}

func (c *Comparison) differ(format string, args ...any) {
	if len(c.Differ) < differencesMax {
		c.Differ = append(c.Differ, fmt.Sprintf(format, args...))
	}
}
