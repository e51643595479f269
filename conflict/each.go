package conflict

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// Skipped is an append that is not written with its batch, though others of the
// batch may be.
type Skipped struct {
	First, Last int32             // its records
	Refusal     *protocol.Refusal // nil for a repeat
	// At is where the first record of a repeat was appended. When that was in
	// this very batch, it counts from the batch's base offset, and InBatch is
	// set.
	At      protocol.Offset
	InBatch bool
}

// Place makes what is told of other records of the batch absolute: the batch
// was appended at base.
func (l *Skipped) Place(base protocol.Offset) {
	if l.InBatch {
		l.At, l.InBatch = l.At+base, false
	}
	if r := l.Refusal; r != nil && r.LastInBatch {
		r.Last, r.LastInBatch = base+protocol.Offset(r.EarlierRecord), false
	}
}

// JudgeEach judges a batch append by append: what Repeats or Locks says of one
// keeps that one out and leaves the others alone. An append sees the marks of
// those before it that are admitted, and of no others. A refused append's
// lock-id is not used up: a later one of the batch may have it.
//
// The verdict has an error or is admitted, be there records left in the batch
// or not; its Await is the highest offset that any of Skipped rests on.
func (c *LockTable) JudgeEach(r *Request, stable protocol.Offset) Verdict {
	r.linkLocks()
	j := judgement{c: c, r: r, limit: stable}
	if len(r.ids) == 0 && r.maxBasis < stable && !c.holds.any() {
		return j.judgeFew()
	}
	return j.judgeAppends(func(a *lockAppend, one *Verdict) {
		if j.repeated(a, one); one.Admitted() {
			j.locks(a, one)
		}
	})
}

// JudgeAgain finds the reasons for a batch that JudgeEach has judged before and
// that is in the log at base, less the records for which written is false. It
// need not remember them: marks only rise, so what was refused for a lock is
// refused for it still, and a repeat is still known by its id. The text may
// cite a later write than it did then, and is as true. Only if the lock-id of a
// refused append was used since does the verdict change: to what is true of
// that id by now. And what was held by a transaction that was aborted since leaves
// no trace: it is told to be held still, up to the batch that was refused.
func (c *LockTable) JudgeAgain(r *Request, written func(index int32) bool, base protocol.Offset) Verdict {
	r.linkLocks()
	j := judgement{c: c, r: r, limit: base}
	return j.judgeAppends(func(a *lockAppend, one *Verdict) {
		if written(a.first) {
			return
		}
		if j.repeated(a, one); one.Admitted() {
			j.locks(a, one)
		}
		if one.Admitted() && c.holds.seen {
			one.Refusal = j.wasHeld(a, base)
		}
		if one.Admitted() {
			one.Refusal = j.unreadBasis(a)
		}
	})
}

// judgeFew is all for a batch without lock-ids, of which few are refused: only what
// is not seen to be allowed is looked at closely. Each append is one record.
func (j *judgement) judgeFew() Verdict {
	r := j.r
	v := Verdict{Await: protocol.None, FirstOffset: protocol.None}
	for i := range r.appends {
		r.appends[i].out = false
	}
	for at := 0; at < len(r.locks); {
		block := r.locks[at:min(at+prefetchBlock, len(r.locks))]
		r.prefetched += j.c.young.locks.prefetch(block)
		n := j.c.young.allowed(block)
		if at += n; n == len(block) {
			continue
		}
		place := r.locks[at].append
		a := &r.appends[place]
		one := Verdict{Await: protocol.None, FirstOffset: protocol.None}
		if j.locks(a, &one); one.Err != nil {
			v.Err = one.Err
			return v
		}
		if a.out = !one.Admitted(); a.out {
			v.skip(a, &one)
		}
		at = r.locksEnd(int(place))
	}
	v.Drop = r.dropped()
	return v
}

// skip notes that an append is left out, by the verdict on it alone.
func (v *Verdict) skip(a *lockAppend, one *Verdict) {
	v.Await = max(v.Await, one.Await)
	if one.Skipped == nil {
		one.Skipped = []Skipped{{First: a.first, Last: a.last, Refusal: one.Refusal, At: protocol.None}}
	}
	v.Skipped = append(v.Skipped, one.Skipped[0])
}

// judgement is one walk over the appends of a request.
type judgement struct {
	c      *LockTable
	r      *Request
	limit  protocol.Offset // bases from here on cannot be
	record int             // place in r.records of the append's first, or behind it
}

// judgeAppends judges each append with the ones before it marked as in or out.
func (j *judgement) judgeAppends(judge func(*lockAppend, *Verdict)) Verdict {
	v := Verdict{Await: protocol.None, FirstOffset: protocol.None}
	for i := range j.r.appends {
		a := &j.r.appends[i]
		one := Verdict{Await: protocol.None, FirstOffset: protocol.None}
		a.out = false // Repeats may have set it, and nothing of what is out is judged
		judge(a, &one)
		if one.Err != nil {
			v.Err = one.Err
			return v
		}
		if a.out = !one.Admitted(); a.out {
			v.skip(a, &one)
		}
	}
	v.Drop = j.r.dropped()
	return v
}

// repeated finds the append's lock-id in the log or in the batch.
func (j *judgement) repeated(a *lockAppend, one *Verdict) {
	if a.id < 0 {
		return
	}
	id := &j.r.ids[a.id]
	entry, ok, held, err := j.c.standing(j.r, a.id)
	switch {
	case err != nil:
		one.Err = err
	case held:
		one.Refusal, one.Await = j.r.heldID(a.id, entry.first), entry.first
	case ok && entry.digest != id.content:
		one.Refusal, one.Await = j.r.duplicate(a.id, entry.first), j.c.holds.citable(entry.first)
	case ok:
		one.repeats(a, Skipped{At: entry.first})
		one.Await = j.c.holds.citable(entry.last())
	default:
		j.repeatedInBatch(a, id, one)
	}
}

func (j *judgement) repeatedInBatch(a *lockAppend, id *lockID, one *Verdict) {
	for twin := id.twin; twin >= 0; twin = j.r.ids[twin].twin {
		first := &j.r.appends[j.r.ids[twin].append]
		switch {
		case first.out:
			continue
		case j.r.ids[twin].content == id.content:
			one.repeats(a, Skipped{At: protocol.Offset(first.first), InBatch: true})
		default:
			one.Refusal = j.r.duplicate(a.id, protocol.None)
			one.Refusal.LastInBatch, one.Refusal.EarlierRecord = true, first.first
		}
		return
	}
}

// repeats makes the verdict on one append that it was appended before.
func (v *Verdict) repeats(a *lockAppend, l Skipped) {
	l.First, l.Last = a.first, a.last
	v.Duplicate, v.Skipped = true, []Skipped{l}
}

// locks judges the locks of an append's records.
func (j *judgement) locks(a *lockAppend, one *Verdict) {
	for j.skipTo(a); j.record < len(j.r.records) && j.r.records[j.record].index <= a.last; j.record++ {
		rec := &j.r.records[j.record]
		if rec.maxBasis >= j.limit {
			one.Refusal = j.c.futureBasis(rec, j.limit)
			return
		}
		if j.c.judgeLocks(j.r, j.r.locksOf(j.record), one); !one.Admitted() {
			return
		}
	}
}

func (j *judgement) skipTo(a *lockAppend) {
	for j.record < len(j.r.records) && j.r.records[j.record].index < a.first {
		j.record++
	}
}

// wasHeld is the reason of an append whose lock or lock-id a transaction held that is
// over by now. nil: it names none that could have been.
func (j *judgement) wasHeld(a *lockAppend, base protocol.Offset) *protocol.Refusal {
	for i := range j.r.locks {
		if l := &j.r.locks[i]; a.first <= l.record && l.record <= a.last {
			return &protocol.Refusal{
				Kind: protocol.RefusalHeld, Record: l.record, Lock: string(j.r.rawName(l)), Last: base, Basis: l.basis,
			}
		}
	}
	if a.id >= 0 {
		return j.r.heldID(a.id, base)
	}
	return nil
}

// unreadBasis is the one reason that later judgement may not find: a basis that
// nobody could have read then, and can now.
func (j *judgement) unreadBasis(a *lockAppend) *protocol.Refusal {
	basis := protocol.None
	for i := range j.r.records {
		if rec := &j.r.records[i]; a.first <= rec.index && rec.index <= a.last {
			basis = max(basis, rec.maxBasis)
		}
	}
	return &protocol.Refusal{
		Kind:   protocol.RefusalMalformed,
		Record: a.first,
		Text: fmt.Sprintf("basis %d was at or beyond the high watermark when this was judged, so nobody could have read it; "+
			"give the offset of the last record you have read, or none", basis),
	}
}
