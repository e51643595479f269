package sim

import (
	"errors"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// answer is what a broker tells a writer.
type answer struct {
	base    protocol.Offset
	skipped []conflict.Skipped // the appends left out, of a request for a verdict per append

	refusal *protocol.Refusal
	err     error // neither appended nor refused for good: try again
}

// proposal is a request on its way through a broker.
type proposal struct {
	replica.Proposal
	b     *broker
	req   *request
	reply func(answer)
	below protocol.Offset // the high watermark when it came
}

// onProduce is a connection's part of a Produce.
func (b *broker) onProduce(req *request, bytes []byte, reply func(answer)) {
	if b.core() == nil || b.mailbox.closed {
		reply(answer{err: replica.ErrNotLeader})
		return
	}
	batch, err := record.Parse(bytes, record.Limits{})
	if err != nil {
		panic(err)
	}
	recs, err := batch.Open(record.Limits{})
	if err != nil {
		panic(err)
	}
	locks, malformed := conflict.Prepare(batch, &recs, conflict.Optional)
	recs.Release()
	if malformed != nil {
		panic(malformed.Text)
	}
	q := &proposal{b: b, req: req, reply: reply, below: b.machine.HighWatermark()}
	q.Batch, q.Locks, q.Acks, q.Done = batch, locks, replica.AcksAll, q
	q.PerAppend, q.TimeoutMs = req.perAppend && locks != nil, b.w.o.ProduceTimeout
	b.w.mark(b.core().Role() == replica.RoleLeader && !b.core().Settled(), "produce: not settled")
	b.planted.remember(locks, req)
	b.propose(&q.Proposal)
}

// Completed tells the writer, and the checker is told when it is sent.
func (q *proposal) Completed(*replica.Proposal) {
	w, r := q.b.w, &q.Result
	if q.Locks != nil {
		q.b.planted.forget(q.Locks)
		q.Locks.Release()
	}
	w.mark(errors.Is(r.Err, replica.ErrNotEnoughReplicas), "produce: not enough replicas")
	w.mark(errors.Is(r.Err, replica.ErrNotLeader), "produce: not leader")
	w.mark(errors.Is(r.Err, replica.ErrNotLeader) && !q.b.mailbox.group, "leader deposed with answers waiting")
	w.mark(errors.Is(r.Err, replica.ErrTimeout), "produce: timed out")
	w.mark(errors.Is(r.Err, replica.ErrOutOfOrderSequence), "refusal waited for proof of leadership")
	w.mark(r.Repeated && q.req.lockID == "", "ack: repeat by sequence")
	w.mark(r.Repeated && q.req.lockID != "", "ack: repeat by lock-id")
	w.mark(r.Repeated && len(r.Skipped) > 0, "ack: repeat of a batch with verdicts")
	w.mark(len(r.Skipped) > 0 && !r.Repeated, "appends left out of a batch")
	if f := r.Refusal; f != nil {
		w.mark(f.Kind == protocol.RefusalConflict, "refused: conflict")
		w.mark(f.Last >= q.below, "refusal waited for its commit")
		w.mark(f.Record > 0, "batch refused for its second record")
	}
	a := answer{base: r.Base, skipped: r.Skipped, refusal: r.Refusal, err: r.Err}
	if a.refusal == nil && a.err == nil {
		w.checker.acknowledged(q.b, q.req, a)
	}
	q.reply(a)
}

// onRead answers a consumer, by the leader or by a follower (KIP-392). absent is
// the answer that what the consumer has read is not in the log, which a leader
// gives once it is certain that it still leads; a follower never does.
func (b *broker) onRead(from protocol.Offset, reply func([]record.Batch), absent func()) {
	if b.core() == nil || b.core().Role() == replica.RoleOffline {
		return
	}
	leads := b.core().Role() == replica.RoleLeader
	if leads && from > b.disk.End() {
		b.w.mark(true, "read: a leader lacks what was read")
		b.absentIfProven(absent)
		return
	}
	below := b.machine.HighWatermark()
	if leads && b.w.bugs.ConsumersReadToEnd || !leads && b.w.bugs.FollowerReadsToEnd {
		below = b.disk.End()
	}
	batches := b.disk.read(from, below, 1+b.w.rng.IntN(8))
	if !b.w.bugs.IgnoreCRC && !intact(batches) {
		b.reportDamage()
		return
	}
	b.w.mark(!leads && len(batches) > 0, "read from a follower")
	reply(batches)
}

// onListOffsets answers where the log ends, once it is certain that this broker
// leads.
func (b *broker) onListOffsets() {
	if b.core() == nil {
		return
	}
	least := b.w.checker.end
	end, err := b.core().CommittedEnd()
	b.w.mark(errors.Is(err, replica.ErrOffsetNotAvailable), "list offsets: not available")
	if err != nil {
		return
	}
	b.w.mark(end < least, "list offsets: a leader was deposed and does not know it")
	epoch := b.core().Epoch()
	b.ifLeading(b.w.bugs.ListOffsetsUnproven, func() { b.w.checker.listed(b, epoch, end, least) }, "list offsets: not proven")
}

func (b *broker) absentIfProven(absent func()) {
	b.ifLeading(b.w.bugs.AbsenceUnproven, absent, "read: a leader that was deposed is not believed")
}

// ifLeading answers once it is certain that this broker leads, or at once.
func (b *broker) ifLeading(unsure bool, reply func(), otherwise string) {
	if unsure {
		reply()
		return
	}
	in := b.core().Epoch()
	b.note(replica.ConfirmLeadership{TimeoutMs: 1000, Done: func(epoch protocol.LeaderEpoch, err error) {
		if err == nil && epoch == in {
			reply()
			return
		}
		b.w.mark(true, otherwise)
	}})
}
