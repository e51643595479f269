package replica

import (
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// prefetchedMax is the largest request, in locks, that is prefetched together with
// its group: a million locks do not fit the processor's cache. Larger requests
// prefetch for themselves.
const prefetchedMax = 16

// propose judges a group and has what is admitted appended with one write. It is
// the only place where a leader's log grows.
func (m *Machine) propose(group []*Proposal) {
	now, end := m.o.NowMs(), m.log.End()
	m.group, m.batches = group, m.batches[:0]
	for _, q := range group {
		q.sinceMs = m.nowMs
		if len(group) > 1 && q.Locks != nil && q.Locks.Count() <= prefetchedMax {
			m.folds.locks.judge.Prefetch(q.Locks)
		}
	}
	for _, q := range group {
		// Each is judged against the log with all that came before it in the group,
		// as if every one were written by itself.
		if end = m.judge(q, end, now); q.refused() {
			m.folds.producers.sequences.Refused(q.Batch)
		}
	}
	if len(m.batches) == 0 {
		m.proposed(nil)
		return
	}
	m.await(EffectAppend, m.callbacks.appended).Batches = m.batches
}

// appended goes on behind the group's write, and has it synced when the topic's
// flush settings ask for it: here, or, where followers are to be heard
// meanwhile, beside.
func (m *Machine) appended(err error) {
	if err != nil {
		m.proposed(m.fail(err))
		return
	}
	m.core.Appended(m.nowMs)
	alone := len(m.core.partition.Replicas) < 2
	if !alone {
		m.emit(EffectMoved)
	}
	switch {
	case m.unsynced < m.settings.FlushMessages:
		// flush.messages lets the answer go before the sync, so what is written
		// counts as synced.
		m.core.Synced(m.log.End(), m.nowMs)
		m.proposed(nil)
	case alone:
		// No follower's fetch could be heard meanwhile: a sync in the loop saves
		// waking a goroutine for it.
		m.await(EffectSync, m.callbacks.synced)
	default:
		// The sync covers all that was appended, and its failure is final: so the count
		// need not wait for its end.
		m.syncing, m.unsynced = true, 0
		m.emit(EffectSyncBeside)
		m.proposed(nil)
	}
}

func (m *Machine) synced(err error) {
	if err != nil {
		m.proposed(m.fail(err))
		return
	}
	m.unsynced = 0
	m.core.Synced(m.log.End(), m.nowMs)
	m.proposed(nil)
}

func (m *Machine) syncedBeside(e Synced) {
	m.syncing = false
	if e.Err != nil {
		_ = m.fail(e.Err)
		return
	}
	m.core.Synced(e.End, m.nowMs)
}

// proposed puts the group's answers behind what they wait for.
func (m *Machine) proposed(err error) {
	group := m.group
	m.group = nil
	clear(m.batches)
	unsure := false
	for _, q := range group {
		m.answer(q, err)
		unsure = unsure || q.needsConfirmation
	}
	if unsure {
		m.confirmGroup(group)
	}
	m.flushFrozen()
}

// confirmGroup has the answers that rest on what is not in the log wait until it is
// certain that this broker still leads.
func (m *Machine) confirmGroup(group []*Proposal) {
	if m.core == nil || m.core.role != RoleLeader {
		return
	}
	m.round = m.core.ConfirmLeadership()
	for _, q := range group {
		if q.needsConfirmation {
			q.round = m.round
		}
	}
	m.emit(EffectMoved)
}

// judge decides on q in the contract's order and, if it is admitted, places it
// at end and lets the folds see it. It returns the end after q.
func (m *Machine) judge(q *Proposal, end protocol.Offset, now int64) protocol.Offset {
	q.Result = Result{Base: -1, LogStart: m.log.Start(), AppendTimeMs: -1}
	q.await, q.round, q.needsConfirmation = protocol.None, 0, false
	if err := m.checkLeadership(q); err != nil {
		q.Result.Err = err
		return end
	}
	switch {
	case q.Marker != nil:
		return m.judgeMarker(q, end, now)
	case q.PerAppend && q.Batch.Transactional():
		q.Result.Err = errEach
		return end
	}
	// A retry must be recognized before its locks are judged: the batch's own first
	// arrival would conflict with it.
	if m.answerIfRepeated(q) {
		return end
	}
	// A gap is not answered yet: a refused lock, or a repeat by lock-id, comes first.
	gap := m.checkSequence(q)
	if m.refusedByTransaction(q, gap) {
		return end
	}
	if q.Locks == nil || q.Locks.Carried() {
		return m.appendUnjudged(q, gap, end, now)
	}
	// Nearly every batch ends here, judged and marked in one walk over its locks.
	// False says only that Admit is not sure, and nothing is marked then.
	if gap == nil && m.folds.locks.judge.Admit(q.Locks, end, m.LastStable()) {
		return m.place(q, q.Batch, end, now).NextOffset()
	}
	if q.PerAppend {
		return m.judgeEach(q, gap, end, now)
	}
	return m.judgeBatch(q, gap, end, now)
}

// checkLeadership reports why q may not be appended by this broker now, or nil.
func (m *Machine) checkLeadership(q *Proposal) error {
	if err := m.mayAppend(q.Acks); err != nil {
		return err
	}
	if q.OnlyIn != nil && *q.OnlyIn != m.core.Epoch() {
		return ErrNotLeader
	}
	return nil
}

// appendUnjudged appends a batch without locks, or one that is carried: it was
// judged where it was written first, and only its marks are taken over.
func (m *Machine) appendUnjudged(q *Proposal, gap error, end protocol.Offset, now int64) protocol.Offset {
	if gap != nil {
		return q.gap(gap, end)
	}
	if q.Locks != nil {
		m.folds.locks.judge.Mark(q.Locks, end, conflict.Verdict{})
	}
	return m.place(q, q.Batch, end, now).NextOffset()
}

// judgeBatch is the rest of judge for a batch that gets one verdict, and that
// Admit has not admitted.
func (m *Machine) judgeBatch(q *Proposal, gap error, end protocol.Offset, now int64) protocol.Offset {
	v := m.folds.locks.judge.Repeats(q.Locks)
	switch {
	case m.answerRefusal(q, &v):
		return end
	case v.Duplicate:
		return m.answerRepeat(q, v.FirstOffset, v.Await, gap, end, now)
	case gap != nil:
		return q.gap(gap, end)
	}
	// The judge is an interface, so what it is given a pointer to would be
	// allocated: the verdict lies in the machine meanwhile.
	m.verdict = v
	m.folds.locks.judge.Locks(q.Locks, m.LastStable(), &m.verdict)
	v, m.verdict = m.verdict, conflict.Verdict{}
	if m.answerRefusal(q, &v) {
		return end
	}
	// Cut before Mark: if the records cannot be dropped, the table must not know
	// of a batch that is not appended.
	if err := m.dropRecords(q, &v); err != nil {
		q.Result.Err = err
		return end
	}
	m.folds.locks.judge.Mark(q.Locks, end, v)
	return m.place(q, q.Batch, end, now).NextOffset()
}

// answerRefusal answers q by its verdict if that is an error or a refusal, and
// reports whether it is.
func (m *Machine) answerRefusal(q *Proposal, v *conflict.Verdict) bool {
	switch {
	case v.Err != nil:
		q.Result.Err = unreadable(v.Err)
	case v.Refusal != nil:
		m.refuse(q, v.Refusal, v.Await)
	default:
		return false
	}
	return true
}

// checkSequence reports why q's sequence may not come next, or nil.
func (m *Machine) checkSequence(q *Proposal) error {
	if (q.Behind || q.FirstAtZero && q.Batch.BaseSequence() > 0) && !m.folds.producers.sequences.Knows(q.Batch.ProducerID()) {
		return ErrOutOfOrderSequence
	}
	return m.folds.producers.sequences.Follows(q.Batch)
}

// dropRecords makes q's batch one without the records that the verdict drops.
func (m *Machine) dropRecords(q *Proposal, v *conflict.Verdict) error {
	if v.Drop == nil {
		return nil
	}
	b, err := q.Batch.Cut(v.Keeps, m.o.Limits)
	if err != nil {
		return fmt.Errorf("leave records out: %w", err)
	}
	q.Batch = b
	return nil
}

// unreadable is the answer while the lock table's base cannot be read: the
// batch is neither admitted nor refused, and its writer is to try again.
func unreadable(err error) error {
	return fmt.Errorf("%w: the lock table cannot be read: %w", ErrStorage, err)
}

// answerIfRepeated answers a batch whose sequence was appended before.
func (m *Machine) answerIfRepeated(q *Proposal) bool {
	base, timestamp, ok := m.folds.producers.sequences.Repeat(q.Batch)
	if !ok {
		return false
	}
	q.Result.Repeated = true
	q.Result.Base, q.await = base, base+protocol.Offset(q.Batch.LastOffsetDelta())
	if m.settings.LogAppendTime {
		q.Result.AppendTimeMs = timestamp
	}
	switch {
	case q.Locks == nil, q.Locks.Carried():
	case q.PerAppend:
		m.repeatEach(q)
	default:
		// What was answered then is answered now: the first offset of a repeated lock-id.
		if v := m.folds.locks.judge.Repeats(q.Locks); v.Duplicate {
			q.Result.Base = v.FirstOffset
		}
	}
	return true
}

// refuse answers q with a refusal, which is noted for operators and is no part of the log.
func (m *Machine) refuse(q *Proposal, r *protocol.Refusal, await protocol.Offset) {
	r.LogStart = q.Result.LogStart
	m.noteRefusal(q.Locks, r, m.o.NowMs())
	q.Result.Refusal, q.await = r, await
	// A refusal that cites no record rests on what is not in the log.
	q.needsConfirmation = await == protocol.None
}

// answerRepeat answers a batch all of whose appends are in the log already. An
// idempotent producer takes the answer as a success and goes on counting, so its
// sequence must be recorded: an empty batch does it, as compaction would leave it.
func (m *Machine) answerRepeat(
	q *Proposal, first, await protocol.Offset, gap error, end protocol.Offset, now int64,
) protocol.Offset {
	if q.Batch.ProducerID() != protocol.NoProducer && gap == nil {
		empty, err := q.Batch.Keep(func(int32) bool { return false }, m.o.Limits)
		if err != nil {
			q.Result.Err = fmt.Errorf("leave out repeated records: %w", err)
			return end
		}
		end = m.place(q, empty, end, now).NextOffset()
	}
	q.Result.Repeated = true
	q.Result.Base, q.await = first, max(q.await, await)
	return end
}

// place gives b its offsets, puts it into the group and shows it to the folds;
// of those, the lock table has taken in its marks already, unless it is a marker.
func (m *Machine) place(q *Proposal, b record.Batch, end protocol.Offset, now int64) record.Batch {
	if m.settings.LogAppendTime {
		b.StampLogAppendTime(now)
		q.Result.AppendTimeMs = now
	}
	b.Place(end, m.core.Epoch())
	if err := m.folds.apply(b, !b.Control(), now); err != nil {
		_ = m.fail(err)
	}
	m.batches = append(m.batches, b)
	m.unsynced += int64(b.NextOffset() - b.BaseOffset()) // offsets, since a batch without records must be on disk as well
	q.Result.Base, q.await = end, b.LastOffset()
	return b
}

// mayAppend reports why nothing may be appended, or nil.
func (m *Machine) mayAppend(acks Acks) error {
	switch {
	case m.failed != nil:
		return m.failed
	case m.core == nil, m.steppedAside:
		return ErrNotLeader
	}
	return m.core.MayAppend(acks)
}

// answer puts q behind the high watermark, or makes its error final.
func (m *Machine) answer(q *Proposal, err error) {
	if err != nil && q.Result.Err == nil {
		q.fail(err)
	}
	if q.Result.Err != nil {
		q.await = protocol.None
	}
	m.waiting = append(m.waiting, q)
}

// completeCommitted completes what has become final.
func (m *Machine) completeCommitted() {
	if len(m.waiting) == 0 {
		return
	}
	hw, synced := m.highWatermark, protocol.Offset(0)
	if m.core != nil {
		synced = m.core.SyncedEnd()
	}
	rest := m.waiting[:0]
	for _, q := range m.waiting {
		switch {
		// What an answer cites must be committed, or with acks=1 and 0 at least on this
		// disk; and what rests on leadership must be confirmed.
		case q.round > m.confirmed, q.await >= hw && (q.Acks == AcksAll || q.await >= synced):
			rest = append(rest, q)
		default:
			m.final = append(m.final, q)
		}
	}
	clear(m.waiting[len(rest):])
	m.waiting = rest
}

// reply sends what is final.
func (m *Machine) reply() {
	if len(m.final) == 0 {
		return
	}
	m.emit(EffectReply).Proposals = m.final
	clear(m.spare)
	m.final, m.spare = m.spare[:0], m.final
}

// expire answers what has waited for as long as its writer wanted to.
func (m *Machine) expire() {
	m.waiting = slices.DeleteFunc(m.waiting, func(q *Proposal) bool {
		late := q.Expired(m.nowMs)
		if late {
			m.FailProposal(q, ErrTimeout)
			m.final = append(m.final, q)
		}
		return late
	})
}

// FailProposal makes the answer to a proposal that is judged no more an error; the owner
// completes those that were never proposed.
func (m *Machine) FailProposal(q *Proposal, err error) {
	m.folds.producers.sequences.Refused(q.Batch)
	q.fail(err)
}

// failPending answers all that waits: this replica can answer for nothing any more.
func (m *Machine) failPending(err error) {
	m.failConfirmations()
	for _, q := range m.waiting {
		if q.Result.Err == nil {
			q.fail(err)
		}
		m.final = append(m.final, q)
	}
	clear(m.waiting)
	m.waiting = m.waiting[:0]
	m.emit(EffectFailQueued).Err = err
}
