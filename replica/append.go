package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// touchedMax is up to how many locks of a request are read ahead for the group:
// a million locks do not fit the processor's cache. Larger requests read ahead
// for themselves.
const touchedMax = 16

// append judges a group, writes what is admitted with one write, has it synced,
// and answers what is final. It is the only place where a leader's log grows.
func (p *Partition) append(group []*Proposal) {
	if len(group) == 0 {
		return
	}
	now, since := p.opts.NowMs(), coreMs()
	end := p.log.End()
	p.batches = p.batches[:0]
	for _, q := range group {
		q.sinceMs = since
		if len(group) > 1 && q.Locks != nil && q.Locks.Count() <= touchedMax {
			p.locks.Touch(q.Locks)
		}
	}
	for _, q := range group {
		if end = p.judge(q, end, now); q.refused() {
			p.producers.Refused(q.Batch)
		}
	}
	err := p.write(now)
	clear(p.batches)
	unsure := false
	for _, q := range group {
		p.answer(q, err)
		unsure = unsure || q.unsure
	}
	if unsure {
		p.confirm(group)
	}
	p.work()
	p.flushFrozen(now)
}

// confirm has the answers that rest on what is not in the log wait until it is
// certain that this broker still leads.
func (p *Partition) confirm(group []*Proposal) {
	if p.core == nil || p.core.role != RoleLeader {
		return
	}
	round := p.core.Confirm()
	for _, q := range group {
		if q.unsure {
			q.round = round
		}
	}
	p.round.Store(round)
	p.moved()
}

// judge decides on q in the contract's order and, if it is admitted, places it
// at end and lets the folds see it. It returns the end after q.
func (p *Partition) judge(q *Proposal, end protocol.Offset, now int64) protocol.Offset {
	q.Result = Result{Base: -1, LogStart: p.log.Start(), AppendTimeMs: -1}
	q.await, q.round, q.unsure = protocol.None, 0, false
	if err := p.mayAppend(q.Acks); err != nil {
		q.Result.Err = err
		return end
	}
	if p.repeated(q) {
		return end
	}
	gap := p.follows(q)
	if q.Locks == nil {
		if gap != nil {
			return q.gap(gap, end)
		}
		return p.observe(p.place(q, q.Batch, end, now))
	}
	if gap == nil && p.locks.Admit(q.Locks, end, p.HighWatermark()) {
		return p.place(q, q.Batch, end, now).NextOffset()
	}
	if q.PerAppend {
		return p.judgeEach(q, gap, end, now)
	}
	v := p.locks.Repeats(q.Locks)
	switch {
	case v.Err != nil:
		q.Result.Err = unreadable(v.Err)
		return end
	case v.Refusal != nil:
		return p.refuse(q, v.Refusal, v.Await, end)
	case v.Duplicate:
		return p.answerRepeat(q, v.FirstOffset, v.Await, gap, end, now)
	case gap != nil:
		return q.gap(gap, end)
	}
	p.locks.Locks(q.Locks, p.HighWatermark(), &v)
	switch {
	case v.Err != nil:
		q.Result.Err = unreadable(v.Err)
		return end
	case v.Refusal != nil:
		return p.refuse(q, v.Refusal, v.Await, end)
	}
	if err := p.cut(q, &v); err != nil {
		q.Result.Err = err
		return end
	}
	b := p.place(q, q.Batch, end, now)
	p.locks.Mark(q.Locks, end, v)
	return b.NextOffset()
}

// follows reports why q's sequence may not come next, or nil.
func (p *Partition) follows(q *Proposal) error {
	if q.Behind && !p.producers.Knows(q.Batch.ProducerID()) {
		return ErrOutOfOrderSequence
	}
	return p.producers.Follows(q.Batch)
}

// cut makes q's batch one without the records that the verdict drops.
func (p *Partition) cut(q *Proposal, v *conflict.Verdict) error {
	if v.Drop == nil {
		return nil
	}
	b, err := q.Batch.Cut(v.Keeps, p.opts.Limits)
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

// repeated answers a batch whose sequence was appended before.
func (p *Partition) repeated(q *Proposal) bool {
	base, timestamp, ok := p.producers.Repeat(q.Batch)
	if !ok {
		return false
	}
	q.Result.Repeated = true
	q.Result.Base, q.await = base, base+protocol.Offset(q.Batch.LastOffsetDelta())
	if p.settings.LogAppendTime {
		q.Result.AppendTimeMs = timestamp
	}
	switch {
	case q.Locks == nil:
	case q.PerAppend:
		p.repeatEach(q)
	default:
		// What was answered then is answered now: the first offset of a repeated lock-id.
		if v := p.locks.Repeats(q.Locks); v.Duplicate {
			q.Result.Base = v.FirstOffset
		}
	}
	return true
}

// refuse leaves no trace but the producer's expectation.
func (p *Partition) refuse(q *Proposal, r *protocol.Refusal, await, end protocol.Offset) protocol.Offset {
	p.noteRefusal(q.Locks, r, p.opts.NowMs())
	q.Result.Refusal, q.await = r, await
	q.unsure = await == protocol.None
	return end
}

// answerRepeat answers a batch all of whose appends are in the log already. An
// idempotent producer takes the answer as a success and goes on counting, so its
// sequence must be recorded: an empty batch does it, as compaction would leave it.
func (p *Partition) answerRepeat(q *Proposal, first, await protocol.Offset, gap error, end protocol.Offset, now int64) protocol.Offset {
	if q.Batch.ProducerID() != protocol.NoProducer && gap == nil {
		empty, err := q.Batch.Keep(func(int32) bool { return false }, p.opts.Limits)
		if err != nil {
			q.Result.Err = fmt.Errorf("leave out repeated records: %w", err)
			return end
		}
		end = p.observe(p.place(q, empty, end, now))
	}
	q.Result.Repeated = true
	q.Result.Base, q.await = first, max(q.await, await)
	return end
}

// observe lets the lock table see a batch that marks nothing.
func (p *Partition) observe(b record.Batch) protocol.Offset {
	p.locks.Observe(b)
	return b.NextOffset()
}

// place gives b its offsets and puts it into the group. The caller lets the
// lock table see it.
func (p *Partition) place(q *Proposal, b record.Batch, end protocol.Offset, now int64) record.Batch {
	if p.settings.LogAppendTime {
		b.StampLogAppendTime(now)
		q.Result.AppendTimeMs = now
	}
	b.Place(end, p.core.Epoch())
	p.producers.Fold(b, now)
	p.batches = append(p.batches, b)
	p.unsynced += int64(b.NextOffset() - b.BaseOffset()) // offsets, since a batch without records must be on disk as well
	q.Result.Base, q.await = end, b.LastOffset()
	return b
}

// mayAppend reports why nothing may be appended, or nil.
func (p *Partition) mayAppend(acks Acks) error {
	switch {
	case p.failed != nil:
		return p.failed
	case p.core == nil, p.doubted:
		return ErrNotLeader
	}
	return p.core.MayAppend(acks)
}

// write appends the group and has it synced when the topic's flush settings ask
// for it: here, or, where followers are to be heard meanwhile, beside the loop.
func (p *Partition) write(now int64) error {
	if len(p.batches) == 0 {
		return nil
	}
	if err := p.log.Append(now, p.batches...); err != nil {
		return p.fail(err)
	}
	p.core.Appended(coreMs())
	alone := len(p.core.standing.Replicas) < 2
	if !alone {
		p.moved()
	}
	switch {
	case p.unsynced < p.settings.FlushMessages:
	case alone:
		if err := p.sync(); err != nil {
			return err
		}
	default:
		p.syncBeside()
		return nil
	}
	p.core.Synced(p.log.End(), coreMs())
	return nil
}

// syncBeside syncs all that was written, while the loop goes on without
// touching the log.
func (p *Partition) syncBeside() {
	p.syncing, p.unsynced = true, 0
	end := p.log.End()
	p.loops.Add(1)
	go func() {
		defer p.loops.Done()
		start := time.Now()
		err := p.log.Sync()
		if err == nil && p.opts.Synced != nil {
			p.opts.Synced(time.Since(start).Seconds())
		}
		p.note(func() { p.syncedBeside(end, err) })
	}()
}

func (p *Partition) syncedBeside(end protocol.Offset, err error) {
	p.syncing = false
	if err != nil {
		_ = p.fail(err)
	} else {
		p.core.Synced(end, coreMs())
	}
}

// settle puts on disk what flush.messages has left: no checkpoint may speak of
// what a power cut can take away.
func (p *Partition) settle() error {
	if p.unsynced == 0 {
		return nil
	}
	return p.sync()
}

func (p *Partition) sync() error {
	start := time.Now()
	if err := p.log.Sync(); err != nil {
		return p.fail(err)
	}
	p.unsynced = 0
	if p.opts.Synced != nil {
		p.opts.Synced(time.Since(start).Seconds())
	}
	return nil
}

// fail is final. What was in flight is unknown, so the folds are worthless too:
// every later proposal gets the same error, until the broker starts again and
// reads what the disk kept. Others may lead meanwhile.
func (p *Partition) fail(err error) error {
	if p.failed != nil {
		return p.failed
	}
	p.failed = fmt.Errorf("%w: %w", ErrStorage, err)
	p.broken.Store(true)
	p.opts.Logger.Error("partition takes no more writes: its log has failed",
		"partition", p.opts.ID.String(), "dir", p.opts.Dir, "error", err)
	if p.core != nil {
		p.core.Failed(p.failed, coreMs())
	}
	return p.failed
}

// answer puts q behind the high watermark, or makes its error final.
func (p *Partition) answer(q *Proposal, err error) {
	if err != nil && q.Result.Err == nil {
		q.fail(err)
	}
	if q.Result.Err != nil {
		q.await = protocol.None
	}
	p.waiting = append(p.waiting, q)
}

// release completes what has become final.
func (p *Partition) release() {
	if len(p.waiting) == 0 {
		return
	}
	hw, synced := p.HighWatermark(), p.core.SyncedEnd()
	rest := p.waiting[:0]
	for _, q := range p.waiting {
		switch {
		case q.round > p.confirmed, q.await >= hw && (q.Acks == AcksAll || q.await >= synced):
			rest = append(rest, q)
		default:
			q.Done.Completed(q)
		}
	}
	clear(p.waiting[len(rest):])
	p.waiting = rest
}

// expire answers what has waited for as long as its writer wanted to.
func (p *Partition) expire(now int64) {
	late := func(q *Proposal) bool {
		if q.deadlineMs == 0 || now < q.deadlineMs {
			return false
		}
		p.producers.Refused(q.Batch)
		q.fail(ErrTimeout)
		q.Done.Completed(q)
		return true
	}
	p.waiting = slices.DeleteFunc(p.waiting, late)
	p.mail.Lock()
	held := p.mail.proposals
	p.mail.proposals = nil
	p.mail.Unlock()
	held = slices.DeleteFunc(held, late)
	p.mail.Lock()
	p.mail.proposals = append(held, p.mail.proposals...)
	p.mail.Unlock()
}

// abort answers all that waits: this replica can answer for nothing any more.
func (p *Partition) abort(err error) {
	p.abortConfirming()
	all := p.waiting
	p.waiting = nil
	for _, q := range all {
		if q.Result.Err == nil {
			q.fail(err)
		}
		q.Done.Completed(q)
	}
	p.dismiss(err)
}
