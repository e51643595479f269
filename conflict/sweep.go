package conflict

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/lockstep-log/lockstep/protocol"
)

// sweep forgets what is older than its retention. It reads the whole Part, so
// it runs at most sweepsPerRetention times a retention, behind a write.
func (w *writer) sweep() error {
	if err := w.sweepIDs(); err != nil {
		return fmt.Errorf("sweep lock-ids: %w", err)
	}
	if err := w.sweepLocks(); err != nil {
		return fmt.Errorf("sweep locks: %w", err)
	}
	return nil
}

const sweepsPerRetention = 4

// due reports whether a sweep that last ran at *lastMs is to run now, and from
// when on it keeps.
func due(lastMs *int64, retention protocol.Limit, nowMs int64) (oldest int64, ok bool) {
	keepMs, bounded := retention.Get()
	if !bounded || nowMs-*lastMs < keepMs/sweepsPerRetention {
		return 0, false
	}
	*lastMs = nowMs
	return nowMs - keepMs, true
}

func (w *writer) sweepIDs() error {
	p := w.part
	oldest, ok := due(&p.idsSweptMs, w.options.IDRetentionMs, w.nowMs)
	if !w.meta.hasIDs || !ok {
		return nil
	}
	return p.deleteOld(kindID, func(value []byte) bool {
		_, seenMs, ok := readID(value)
		return ok && seenMs < oldest
	}, nil)
}

// sweepLocks raises the history start over all that it forgets, and does so
// before: who does not find a lock finds the history start that explains it.
func (w *writer) sweepLocks() error {
	p := w.part
	oldest, ok := due(&p.locksSweptMs, w.options.LockRetentionMs, w.nowMs)
	if !w.meta.hasLocks || !ok {
		return nil
	}
	history := w.meta.history
	return p.deleteOld(kindLock, func(value []byte) bool {
		last, seenMs, _, ok := readLock(value)
		if !ok || seenMs >= oldest {
			return false
		}
		history = max(history, last+1)
		return true
	}, func(batch *pebble.Batch) error {
		w.meta.history = history
		p.raiseHistory(history)
		return batch.Set(p.at.appendKey(nil, kindMeta, nil), w.meta.append(nil), nil)
	})
}

// raiseHistory is called by the one that writes.
func (p *Part) raiseHistory(to protocol.Offset) {
	p.history.Store(max(int64(to), p.history.Load()))
}

// forgetEntriesMax bounds one batch of deletions.
const forgetEntriesMax = 4096

// deleteOld deletes the entries of a kind that are old. Each batch of deletions
// ends with what before adds to it.
func (p *Part) deleteOld(kind byte, old func(value []byte) bool, before func(*pebble.Batch) error) error {
	start, end := p.at.span(kind)
	iter, err := p.base.db.NewIter(&pebble.IterOptions{LowerBound: start, UpperBound: end})
	if err != nil {
		return err
	}
	defer iter.Close()
	batch := p.base.db.NewBatch()
	defer func() { batch.Close() }()
	commit := func() error {
		if batch.Empty() {
			return nil
		}
		if before != nil {
			if err := before(batch); err != nil {
				return err
			}
		}
		err := batch.Commit(pebble.NoSync)
		batch.Reset()
		return err
	}
	for valid := iter.First(); valid; valid = iter.Next() {
		if !old(iter.Value()) {
			continue
		}
		if err := batch.Delete(iter.Key(), nil); err != nil {
			return err
		}
		if batch.Count() >= forgetEntriesMax {
			if err := commit(); err != nil {
				return err
			}
		}
	}
	if err := iter.Error(); err != nil {
		return err
	}
	return commit()
}
