package replica

import (
	"errors"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// checkpointEvery is how many offsets may pass before a fold that has no store of
// its own is saved again.
const checkpointEvery = 1_000_000

// committedName is the name of the checkpoints that are at a high watermark and
// hold nothing else.
const committedName = "committed"

// ErrOffsetOutOfRange: DeleteRecords named an offset that is not in the log.
var ErrOffsetOutOfRange = errors.New("offset out of range")

// housekeep does what time asks for: flush.ms, and what the folds ask for.
func (m *Machine) housekeep(c *Call) {
	m.tick()
	if m.failed != nil {
		m.finish(c, nil)
		return
	}
	m.runSequence(func(err error) { m.finish(c, err) }, m.followLeaderStart, m.syncIfOld, m.saveDue)
}

func (m *Machine) syncIfOld(next func(error)) {
	now := m.o.NowMs()
	if m.unsynced == 0 || now-m.syncedMs < m.settings.FlushMs {
		next(nil)
		return
	}
	m.syncedMs = now
	m.syncLog(next)
}

// saveDue saves the folds that say that it is time.
func (m *Machine) saveDue(next func(error)) {
	var actions []action
	for _, fold := range m.folds.all {
		actions = append(actions, func(next func(error)) {
			due, err := fold.Due(m.log, m.highWatermark, m.o.NowMs())
			if err != nil || !due {
				next(err)
				return
			}
			m.save(fold)(next)
		})
	}
	m.runSequence(next, actions...)
}

// checkpoint saves all folds.
func (m *Machine) checkpoint(next func(error)) {
	var actions []action
	for _, fold := range m.folds.all {
		actions = append(actions, m.save(fold))
	}
	m.runSequence(next, actions...)
}

// save makes a checkpoint of a fold. No checkpoint may speak of what a power cut
// can take away, so what flush.messages has left is put on disk before.
func (m *Machine) save(f Fold) action {
	return func(next func(error)) {
		m.syncLog(func(err error) {
			if err != nil {
				next(err)
				return
			}
			m.waitBaseWrite(func() { m.saveSynced(f, next) })
		})
	}
}

func (m *Machine) saveSynced(f Fold, next func(error)) {
	at := f.Applied()
	if at == f.Saved() {
		next(nil)
		return
	}
	data, err := f.Checkpoint(m.LastStable(), m.o.NowMs())
	if err != nil || data == nil {
		next(err)
		return
	}
	m.runSequence(next, m.writeCheckpoint(f.Name(), at, data), m.writeCheckpoint(committedName, m.highWatermark, nil))
}

// writeCheckpoint writes a checkpoint beside the log.
func (m *Machine) writeCheckpoint(name string, at protocol.Offset, data []byte) action {
	return func(next func(error)) {
		e := m.await(EffectCheckpoint, next)
		e.Name, e.Offset, e.Data = name, at, data
	}
}

// syncLog has all that was appended put on disk.
func (m *Machine) syncLog(next func(error)) {
	if m.unsynced == 0 || m.failed != nil {
		next(m.failed)
		return
	}
	m.await(EffectSync, func(err error) {
		if err != nil {
			next(m.fail(err))
			return
		}
		m.unsynced = 0
		next(nil)
	})
}

// retain has the segments dropped that the topic's retention no longer keeps: a
// segment goes only when all folds can do without it, whatever happens next.
func (m *Machine) retain(c *Call) {
	if m.failed != nil {
		m.finish(c, nil)
		return
	}
	before := m.log.Start()
	m.await(EffectRetain, func(err error) {
		if err != nil && !errors.Is(err, segment.ErrNoDescriptor) {
			err = m.fail(err)
		}
		if m.log.Start() != before {
			m.emit(EffectMoved)
		}
		m.finish(c, err)
	}).Offset = min(m.highWatermark, m.folds.needs())
}

// deleteRecords moves the log start, see DeleteBefore.
func (m *Machine) deleteRecords(o protocol.Offset, c *Call) {
	end := func(err error) {
		c.Start = m.log.Start()
		m.finish(c, err)
	}
	// Not beyond the last stable offset: what open transactions have written, and the
	// locks that they hold, is folded from the log.
	stable := m.LastStable()
	if o == -1 {
		o = stable
	}
	switch {
	case m.failed != nil:
		end(m.failed)
	case m.core == nil || m.core.role != RoleLeader:
		end(ErrNotLeader)
	case o < 0 || o > stable:
		end(ErrOffsetOutOfRange)
	case o <= m.log.Start():
		end(nil)
	default:
		m.deleteBefore(o, end)
	}
}

// followLeaderStart raises a follower's log start to its leader's, as far as the log
// is committed and decided here: the leader may know of a marker that this replica
// does not know to be committed.
func (m *Machine) followLeaderStart(next func(error)) {
	to := min(m.leaderStart, m.LastStable())
	if m.core == nil || m.core.role != RoleFollower || to <= m.log.Start() {
		next(nil)
		return
	}
	m.deleteBefore(to, next)
}

func (m *Machine) deleteBefore(o protocol.Offset, next func(error)) {
	syncBase := func(next func(error)) { m.await(EffectSyncBase, next) }
	setStart := func(next func(error)) {
		m.await(EffectSetStart, func(err error) {
			if err != nil {
				next(m.fail(err))
				return
			}
			m.emit(EffectMoved)
			next(nil)
		}).Offset = o
	}
	advance := func(next func(error)) {
		next(m.folds.locks.advance(m.LastStable(), m.highWatermark, m.o.NowMs()))
	}
	m.runSequence(next, m.checkpoint, advance, syncBase, setStart)
}

// flushFrozen has a retired generation of the lock table written to its base,
// beside: a million locks take the base a second. All below the high watermark
// is on disk before.
func (m *Machine) flushFrozen() {
	if m.flushing {
		return
	}
	work := m.folds.locks.table.Flush(m.LastStable(), m.o.NowMs())
	if work == nil {
		return
	}
	m.flushing = true
	m.syncLog(func(err error) {
		if err != nil {
			m.baseWritten(err)
			return
		}
		m.emit(EffectWriteBase).Work = work
	})
}

func (m *Machine) baseWritten(err error) {
	m.flushing = false
	m.folds.locks.table.Flushed(err)
	if err != nil {
		m.o.Logger.Error("lock base write failed; its locks stay in memory", "partition", m.o.ID.Index, "error", err)
	}
}

// waitBaseWrite goes on when no base write is under way.
func (m *Machine) waitBaseWrite(next func()) {
	if !m.flushing {
		next()
		return
	}
	m.await(EffectWaitBase, func(err error) {
		m.baseWritten(err)
		next()
	})
}

// configure takes the topic's new settings into force.
func (m *Machine) configure(s Settings) {
	m.settings, m.o.Settings = s, s
	m.emit(EffectConfigureLog)
	if m.core != nil {
		m.core.SetMinInsync(s.MinInsync)
	}
	m.folds.locks.table.SetRetention(s.LockRetentionMs, s.LockIDRetention)
}

// noteRefusal remembers a refused request, of which r is the answer.
func (m *Machine) noteRefusal(q *conflict.Request, r *protocol.Refusal, now int64) {
	m.folds.locks.table.Refuse(q, r, now)
	m.refused++
}
