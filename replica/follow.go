package replica

import (
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/internal/invariant"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// errDamaged: what a leader sent is not what a leader may send.
var errDamaged = errors.New("the leader's answer is damaged")

// leaderAnswer takes over what the leader sent.
func (m *Machine) leaderAnswer(e LeaderAnswer) {
	a := e.Answer
	if m.core == nil || !m.core.expects(&a) {
		return
	}
	m.fetched = m.fetched[:0]
	if a.Err == nil && !a.Diverging && len(e.Batches) > 0 {
		if err := m.parseBatches(e.Batches); err != nil {
			m.o.Logger.Warn("leader sent damaged batches; follower fetches them again", "partition", m.o.ID.Index,
				"leader", m.core.Leader(), "offset", m.log.End(), "error", err)
			a.Err = fmt.Errorf("%w: %w", errDamaged, err)
		}
		a.HasBatches = len(m.fetched) > 0
	}
	// The core decides on the answer: it may be a truncation, or an error.
	if !a.HasBatches || m.fetched[0].BaseOffset() >= m.log.End() {
		m.followLeader(a)
		return
	}
	// The log is empty, and the leader's begins inside a batch.
	m.truncateFully(m.fetched[0].BaseOffset(), func(err error) {
		if err != nil {
			_ = m.fail(err)
			return
		}
		m.followLeader(a)
	})
}

func (m *Machine) followLeader(a FetchAnswer) {
	if a.Err == nil && a.LogStart > m.log.Start() {
		m.leaderStart = a.LogStart
	}
	m.core.FetchAnswered(a, m.nowMs)
}

// parseBatches takes the answer's bytes apart; each batch's checksum is compared. A log
// that begins anew may begin inside a batch, where DeleteRecords has put its
// leader's start.
func (m *Machine) parseBatches(bytes []byte) error {
	next := m.log.End()
	for len(bytes) > 0 {
		b, n, err := record.View(bytes)
		if err != nil {
			return err
		}
		if b.BaseOffset() < next && !(len(m.fetched) == 0 && m.log.Start() == next && b.NextOffset() > next) {
			return fmt.Errorf("offset %d comes where %d was asked for", b.BaseOffset(), next)
		}
		next, bytes = b.NextOffset(), bytes[n:]
		m.fetched = append(m.fetched, b)
	}
	return nil
}

// appendFetched has what came from the leader written, folds it, and has it synced.
func (m *Machine) appendFetched() {
	invariant.Check(!m.syncing, "a follower appends while a sync is under way")
	m.await(EffectAppend, m.callbacks.fetchedAppended).Batches = m.fetched
}

func (m *Machine) fetchedAppended(err error) {
	if err != nil {
		_ = m.fail(err)
		return
	}
	now := m.o.NowMs()
	// Folded once written, and not before: folds must not be ahead of their log.
	for _, b := range m.fetched {
		if err := m.folds.apply(b, false, now); err != nil {
			_ = m.fail(err)
			return
		}
		m.unsynced += int64(b.NextOffset() - b.BaseOffset())
	}
	clear(m.fetched)
	m.core.Appended(m.nowMs)
	// The next fetch acknowledges what this one brought, so the sync comes first,
	// unless flush.messages leaves it to a later one.
	if m.unsynced >= m.settings.FlushMessages {
		m.await(EffectSync, m.callbacks.fetchedSynced)
		return
	}
	m.fetchedOnDisk()
}

func (m *Machine) fetchedSynced(err error) {
	if err != nil {
		_ = m.fail(err)
		return
	}
	m.unsynced = 0
	m.fetchedOnDisk()
}

func (m *Machine) fetchedOnDisk() {
	m.core.Synced(m.log.End(), m.nowMs)
	m.flushFrozen()
}

// truncate cuts off what the leader does not have, and folds what is left.
func (m *Machine) truncate(to protocol.Offset) {
	invariant.Check(!m.syncing, "a log is truncated while a sync is under way")
	was := m.log.End()
	// The lock table is rebuilt from its base, which must not be written meanwhile.
	m.waitBaseWrite(func() {
		m.await(EffectTruncate, func(err error) {
			if err == nil {
				m.unsynced = 0
				m.o.Logger.Info("follower truncated its log to the leader's", "partition", m.o.ID.Index, "leader", m.core.Leader(),
					"epoch", m.core.Epoch(), "from", was, "to", m.log.End(), "watermark", m.highWatermark)
				// A fold cannot take back what was cut off, so each is made again from its
				// newest checkpoint at or below the new end.
				err = m.rebuildFolds()
			}
			if err != nil {
				_ = m.fail(err)
				return
			}
			m.core.Truncated(m.nowMs)
		}).Offset = to
	})
}

// restart empties the log, which begins anew at an offset that the leader has.
// What was written to locks in between is not known, and neither is what it
// overwrote: the table begins there too, and answers UNKNOWN below.
func (m *Machine) restart(at protocol.Offset) {
	m.o.Logger.Warn("leader's log starts after this log's end; follower empties its log and restarts there",
		"partition", m.o.ID.Index, "leader", m.core.Leader(), "end", m.log.End(), "from", at)
	m.truncateFully(at, func(err error) {
		if err != nil {
			_ = m.fail(err)
			return
		}
		m.core.Truncated(m.nowMs)
	})
}

// truncateFully empties the log and the lock table, which both begin anew at an
// offset; the log has nothing below it.
func (m *Machine) truncateFully(at protocol.Offset, next func(error)) {
	m.waitBaseWrite(func() {
		if err := m.folds.forget(); err != nil {
			next(err)
			return
		}
		// A start beyond the end empties the log. An offset below the end is that of the
		// leader's first batch, which begins before what an empty log asked for.
		kind := EffectSetStart
		if at < m.log.End() {
			kind = EffectTruncate
		}
		m.await(kind, func(err error) {
			if err == nil {
				m.unsynced = 0
				err = m.rebuildFolds()
			}
			next(err)
		}).Offset = at
	})
}

// rebuildFolds folds the log again, each fold from what was saved of it.
func (m *Machine) rebuildFolds() error {
	was := m.folds.producers.table
	if err := m.folds.open(m.log); err != nil {
		return err
	}
	if err := m.replay(); err != nil {
		return err
	}
	m.folds.transactions.table.Committed(m.highWatermark)
	m.folds.producers.table.ContinueFrom(was)
	return nil
}

// foldQuietMax is how many offsets are folded without a word in the log: they
// take a second or two.
const foldQuietMax = 250_000

// replay folds the log up to its end, each fold from where it is, and keeps the
// lock table's window within its budget on the way.
func (m *Machine) replay() error {
	end, now := m.log.End(), m.o.NowMs()
	from := max(m.log.Start(), m.folds.applied())
	long := end-from > foldQuietMax
	if long {
		m.o.Logger.Info("partition replays its log beyond its checkpoints",
			"partition", m.o.ID.Index, "from", from, "to", end)
	}
	err := m.log.Scan(from, end, func(b record.Batch) error {
		if err := m.folds.apply(b, false, now); err != nil {
			return err
		}
		return m.folds.locks.flush(m.LastStable(), now)
	})
	if long && err == nil {
		m.o.Logger.Info("partition replayed its log", "partition", m.o.ID.Index, "to", end,
			"seconds", float64(m.o.NowMs()-now)/1000)
	}
	return err
}
