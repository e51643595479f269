package sim

import (
	"errors"
	"hash/fnv"
	"slices"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// answer is what a broker tells a writer.
type answer struct {
	base protocol.Offset

	refusal *protocol.Refusal
	err     error // neither appended nor refused for good: try again
}

// waiting is an answer that waits until an offset is committed, or a round confirmed.
type waiting struct {
	await  protocol.Offset
	round  int64
	req    *request
	answer answer
	reply  func(answer)
}

// onProduce is the path of a Produce, in the contract's order of checks.
func (b *broker) onProduce(req *request, bytes []byte, reply func(answer)) {
	if b.core == nil {
		reply(answer{err: replica.ErrNotLeader})
		return
	}
	if err := b.core.MayAppend(replica.AcksAll); err != nil {
		b.w.mark(errors.Is(err, replica.ErrNotEnoughReplicas), "produce: not enough replicas")
		b.w.mark(errors.Is(err, replica.ErrNotLeader), "produce: not leader")
		reply(answer{err: err})
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
	defer locks.Release()
	if locks != nil && !b.core.Settled() {
		b.w.mark(true, "produce: not settled")
		reply(answer{err: replica.ErrOffsetNotAvailable})
		return
	}
	b.judge(waiting{req: req, reply: reply, await: protocol.None}, batch, locks)
	b.core.Appended(b.nowMs())
	b.syncSoon()
	b.work()
	b.moved()
}

// judge answers q, or puts it behind the high watermark.
func (b *broker) judge(q waiting, batch record.Batch, locks *conflict.Request) {
	bugs := &b.w.bugs
	if bugs.ConflictBeforeDedupe && locks != nil {
		v := conflict.Verdict{Await: protocol.None}
		if b.folds.locks.Locks(locks, b.core.HighWatermark(), &v); v.Refusal != nil {
			b.refuse(q, batch, v.Refusal, v.Await)
			return
		}
	}
	if base, _, ok := b.folds.producers.Repeat(batch); ok {
		b.w.mark(true, "ack: repeat by sequence")
		b.answerWhen(q, base+protocol.Offset(batch.LastOffsetDelta()), answer{base: base})
		return
	}
	gap := b.folds.producers.Follows(batch)
	if locks == nil {
		if gap != nil {
			b.answerIfSure(q, answer{err: gap})
			return
		}
		b.append(q, batch)
		return
	}
	v := b.folds.locks.Repeats(locks)
	switch {
	case v.Refusal != nil:
		b.refuse(q, batch, v.Refusal, v.Await)
		return
	case v.Duplicate:
		b.w.mark(true, "ack: repeat by lock-id")
		b.answerWhen(q, v.Await, answer{base: v.FirstOffset})
		return
	case gap != nil:
		b.answerIfSure(q, answer{err: gap})
		return
	}
	table := b.folds.locks
	if bugs.TableAtCommit {
		table = b.folds.committed
	}
	table.Locks(locks, b.core.HighWatermark(), &v)
	if v.Refusal == nil && bugs.NarrowHash {
		v.Refusal, v.Await = b.judgeNarrow(q.req)
	}
	if v.Refusal != nil {
		if v.Refusal.Record > 0 {
			b.w.mark(true, "batch refused for its second record")
			if bugs.PartialBatch {
				b.appendPart(batch, v.Refusal.Record)
			}
		}
		b.refuse(q, batch, v.Refusal, v.Await)
		return
	}
	b.append(q, batch)
}

// append places the batch at the end and lets the folds see it.
func (b *broker) append(q waiting, batch record.Batch) {
	base := b.disk.End()
	batch.Place(base, b.core.Epoch())
	b.disk.append(batch)
	b.folds.fold(batch)
	if b.w.bugs.NarrowHash {
		b.markNarrow(q.req, base)
	}
	b.answerWhen(q, batch.LastOffset(), answer{base: base})
}

func (b *broker) answerWhen(q waiting, await protocol.Offset, a answer) {
	q.await, q.answer = await, a
	if await < b.core.HighWatermark() {
		b.tell(q)
		return
	}
	b.waiting = append(b.waiting, q)
}

// refuse leaves no trace, and waits until the record that it cites is committed.
func (b *broker) refuse(q waiting, batch record.Batch, r *protocol.Refusal, await protocol.Offset) {
	b.folds.producers.Refused(batch)
	if b.w.bugs.RefusalAdvances && batch.ProducerID() != protocol.NoProducer {
		batch.Place(b.disk.End(), b.core.Epoch())
		b.folds.producers.Fold(batch, 0)
	}
	b.w.mark(r.Kind == protocol.RefusalConflict, "refused: conflict")
	if await == protocol.None {
		b.answerIfSure(q, answer{refusal: r})
		return
	}
	b.w.mark(await >= b.core.HighWatermark(), "refusal waited for its commit")
	b.answerWhen(q, await, answer{refusal: r})
}

// answerIfSure gives an answer that rests on what is not in the log, once it is
// certain that this broker still leads.
func (b *broker) answerIfSure(q waiting, a answer) {
	q.answer = a
	if b.w.bugs.RefuseUnsure {
		b.tell(q)
		return
	}
	q.round = b.core.Confirm()
	b.unsure = append(b.unsure, q)
}

func (b *broker) confirmed(round int64) {
	rest := b.unsure[:0]
	for _, q := range b.unsure {
		if q.round > round {
			rest = append(rest, q)
			continue
		}
		b.w.mark(true, "refusal waited for proof of leadership")
		b.tell(q)
	}
	b.unsure = rest
}

// advanced completes what waited for the high watermark.
func (b *broker) advanced() {
	hw := b.core.HighWatermark()
	if b.w.bugs.TableAtCommit {
		for _, batch := range b.disk.read(b.folds.committed.End()+1, hw, len(b.disk.batches)) {
			foldTable(b.folds.committed, batch)
		}
	}
	rest := b.waiting[:0]
	for _, q := range b.waiting {
		if q.await >= hw {
			rest = append(rest, q)
			continue
		}
		b.tell(q)
	}
	b.waiting = rest
	b.moved()
}

// tell answers for good, and the judge hears of it when it is sent.
func (b *broker) tell(q waiting) {
	if q.answer.refusal == nil && q.answer.err == nil {
		b.w.ledger.acknowledged(b, q.req, q.answer)
	}
	q.reply(q.answer)
}

// abort answers all that waits: this broker no longer leads.
func (b *broker) abort() {
	all := append(b.waiting, b.unsure...)
	b.waiting, b.unsure = nil, nil
	for _, q := range all {
		q.reply(answer{err: replica.ErrNotLeader})
	}
}

// onRead answers a consumer, by the leader or by a follower (KIP-392). absent is
// the answer that what the consumer has read is not in the log, which a leader
// gives once it is certain that it still leads; a follower never does.
func (b *broker) onRead(from protocol.Offset, reply func([]record.Batch), absent func()) {
	if b.core == nil || b.core.Role() == replica.RoleOffline {
		return
	}
	if b.core.Role() == replica.RoleLeader && from > b.disk.End() {
		b.w.mark(true, "read: a leader lacks what was read")
		b.absentIfSure(absent)
		return
	}
	below := b.core.HighWatermark()
	leads := b.core.Role() == replica.RoleLeader
	if leads && b.w.bugs.ConsumersReadToEnd || !leads && b.w.bugs.FollowerReadsToEnd {
		below = b.disk.End()
	}
	batches := b.disk.read(from, below, 1+b.w.rng.IntN(8))
	if !b.w.bugs.IgnoreCRC && !intact(batches) {
		b.broken()
		return
	}
	b.w.mark(!leads && len(batches) > 0, "read from a follower")
	reply(batches)
}

// onListOffsets answers where the log ends.
func (b *broker) onListOffsets() {
	if b.core == nil {
		return
	}
	end, err := b.core.CommittedEnd()
	b.w.mark(errors.Is(err, replica.ErrOffsetNotAvailable), "list offsets: not available")
	if err == nil {
		b.w.ledger.listed(b, end)
	}
}

// errAbsent is the answer to a reader of what is not in the log.
var errAbsent = errors.New("offset out of range")

func (b *broker) absentIfSure(absent func()) {
	if b.w.bugs.AbsentUnsure {
		absent()
		return
	}
	b.answerIfSure(waiting{reply: func(a answer) {
		if errors.Is(a.err, errAbsent) {
			absent()
			return
		}
		b.w.mark(true, "read: a leader that was deposed is not believed")
	}}, answer{err: errAbsent})
	b.moved() // what waits is answered, and asks again
	b.work()
}

// The planted bugs that need code of their own.

func narrow(lock string) byte {
	h := fnv.New32a()
	h.Write([]byte(lock))
	return byte(h.Sum32() % 5)
}

func (b *broker) judgeNarrow(req *request) (*protocol.Refusal, protocol.Offset) {
	for i, op := range req.ops {
		for _, lock := range slices.Concat(op.writes, op.reads) {
			if last, ok := b.folds.narrow[narrow(lock)]; ok && last > op.basis && last < b.disk.End() {
				return &protocol.Refusal{Kind: protocol.RefusalConflict, Record: int32(i), Lock: lock, Last: last, Basis: op.basis}, last
			}
		}
	}
	return nil, protocol.None
}

func (b *broker) markNarrow(req *request, base protocol.Offset) {
	for i, op := range req.ops {
		for _, lock := range op.writes {
			b.folds.narrow[narrow(lock)] = base + protocol.Offset(i)
		}
	}
}

func (b *broker) appendPart(batch record.Batch, below int32) {
	part, err := batch.Keep(func(i int32) bool { return i < below }, record.Limits{})
	if err != nil {
		panic(err)
	}
	part.Place(b.disk.End(), b.core.Epoch())
	b.disk.append(part)
	b.folds.fold(part)
}
