package replica

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// judgeEach is judge's way with a batch whose producer wants a verdict per
// append. What is refused or repeated is left out of the batch, which is then
// written in any case: the log itself remembers the verdicts, and the
// producer's sequence goes on.
func (m *Machine) judgeEach(q *Proposal, gap error, end protocol.Offset, now int64) protocol.Offset {
	v := m.folds.locks.judge.JudgeEach(q.Locks, m.LastStable())
	switch {
	case v.Err != nil:
		q.Result.Err = unreadable(v.Err)
		return end
	// All of it is in the log already, so a gap before it loses nothing.
	case gap != nil && v.OnlyRepeats(q.Locks):
		q.Result.Skipped, q.await = v.Skipped, v.Await
		return end
	case gap != nil:
		return q.gap(gap, end)
	}
	if err := m.dropRecords(q, &v); err != nil {
		q.Result.Err = err
		return end
	}
	for i := range v.Skipped {
		v.Skipped[i].Place(end)
		if refusal := v.Skipped[i].Refusal; refusal != nil {
			refusal.LogStart = q.Result.LogStart
			m.noteRefusal(q.Locks, refusal, now)
		}
	}
	q.Result.Skipped = v.Skipped
	// Without a sequence to remember, an empty batch need not be written.
	if q.Batch.Count() == 0 && q.Batch.ProducerID() == protocol.NoProducer {
		q.await, q.needsConfirmation = v.Await, v.Await == protocol.None
		return end
	}
	m.folds.locks.judge.Mark(q.Locks, end, v)
	b := m.place(q, q.Batch, end, now)
	q.await = max(q.await, v.Await)
	return b.NextOffset()
}

// repeatEach gives the retry of a batch the verdicts that the batch got. The
// log shows which records were left out; why, the lock table still knows.
func (m *Machine) repeatEach(q *Proposal) {
	base := q.Result.Base
	written, err := m.writtenOf(base, q.Batch.LastOffsetDelta())
	if err != nil {
		q.Result.Err = fmt.Errorf("find out what was written of the batch at offset %d: %w", base, err)
		return
	}
	v := m.folds.locks.judge.JudgeAgain(q.Locks, func(index int32) bool { return written[index] }, base)
	if v.Err != nil {
		q.Result.Err = unreadable(v.Err)
		return
	}
	for i := range v.Skipped {
		v.Skipped[i].Place(base)
		if refusal := v.Skipped[i].Refusal; refusal != nil {
			refusal.LogStart = q.Result.LogStart
		}
	}
	q.Result.Skipped, q.await = v.Skipped, max(q.await, v.Await)
}

// writtenOf lists, by offset delta, which records of a batch are in the log, or
// in the group that is about to be.
func (m *Machine) writtenOf(base protocol.Offset, lastDelta int32) ([]bool, error) {
	written := make([]bool, lastDelta+1)
	note := func(b record.Batch) error {
		recs, err := b.Open(m.o.Limits)
		if err != nil {
			return err
		}
		defer recs.Release()
		for w := recs.Walk(); w.Next(); {
			written[w.OffsetDelta] = true
		}
		return nil
	}
	for _, b := range m.batches {
		if b.BaseOffset() == base {
			return written, note(b)
		}
	}
	return written, m.log.Scan(base, base+protocol.Offset(lastDelta)+1, note)
}
