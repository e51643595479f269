package conflict

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// Judge is Repeats and then Locks. A caller that has a check of its own
// between the two, as the one for a gap in a producer's sequence, calls them
// one by one.
func (c *LockTable) Judge(r *Request, stable protocol.Offset) Verdict {
	v := c.Repeats(r)
	if v.Admitted() {
		c.Locks(r, stable, &v)
	}
	return v
}

// Locks judges the locks of what Repeats has left of the request, against
// everything appended so far, committed or not; stable is the last stable offset:
// nobody has read what lies behind it. It changes nothing.
//
//	last(L) is in this batch         CONFLICT last=?
//	last(L) > basis                  CONFLICT
//	another transaction holds L      HELD
//	last(L) <= basis                 admitted
//	L not known, basis+1 >= history  admitted
//	L not known, basis+1 <  history  UNKNOWN
//
// The records of one batch of a transaction are no conflict of each other: they have
// one writer.
func (c *LockTable) Locks(r *Request, stable protocol.Offset, v *Verdict) {
	if !r.transactional {
		r.linkLocks()
	}
	switch {
	case r.maxBasis >= stable:
		c.locksOfRecords(r, stable, v)
	case r.transactional || c.holds.any():
		c.judgeLocks(r, r.locks, v)
	case !c.admitsAll(r):
		c.judgeLocks(r, r.locks, v)
	}
}

// Prefetch reads ahead what Repeats and Locks will ask of memory. An owner that is
// about to judge several small requests prefetches all of them first: memory is
// then waited for once, and not by each. It changes nothing and may be left out.
func (c *LockTable) Prefetch(r *Request) {
	r.prefetched += c.young.locks.prefetch(r.locks) + c.young.idIndex.prefetchIDs(r.ids)
}

// admitsAll reports whether the young generation alone admits all locks, as it
// nearly always does. If not, judgeLocks finds out.
func (c *LockTable) admitsAll(r *Request) bool {
	for rest := r.locks; len(rest) > 0; {
		block := rest[:min(len(rest), prefetchBlock)]
		r.prefetched += c.young.locks.prefetch(block)
		if c.young.allowed(block) < len(block) {
			return false
		}
		rest = rest[len(block):]
	}
	return true
}

// allowed is how many locks there are before the first that the generation
// alone does not see to be allowed.
func (g *generation) allowed(locks []lock) int {
	unknown := g.start - 1
	for i := range locks {
		l := &locks[i]
		if !l.is(judged) {
			continue
		}
		// A lock without a mark has value 0 and comes out as unknown: that is what
		// the generation says of a basis it does not reach back to.
		if l.is(all) || l.earlier >= 0 || unknown+protocol.Offset(g.locks.get(l.hash)>>32) > l.basis {
			return i
		}
	}
	return len(locks)
}

// locksOfRecords is Locks for a request that claims a basis that cannot be:
// it finds out which comes first, the claim or a conflict.
func (c *LockTable) locksOfRecords(r *Request, stable protocol.Offset, v *Verdict) {
	for i := range r.records {
		rec := &r.records[i]
		if r.appends[rec.append].out {
			continue
		}
		// In the order of the records: of two that are refused, the answer names the
		// first, as if they had come one by one.
		if rec.maxBasis >= stable {
			v.Refusal = c.futureBasis(rec, stable)
			return
		}
		if c.judgeLocks(r, r.locksOf(i), v); !v.Admitted() {
			return
		}
	}
}

func (c *LockTable) futureBasis(rec *lockRecord, stable protocol.Offset) *protocol.Refusal {
	// Without open transactions that is the high watermark, which more people know.
	bound := "high watermark"
	if c.holds.any() {
		bound = "last stable offset"
	}
	return &protocol.Refusal{
		Kind:   protocol.RefusalMalformed,
		Record: rec.index,
		Text: ofCopies(fmt.Sprintf("basis %d is at or beyond the %s %d, so nobody can have read it; "+
			"give the offset of the last record you have read, or none", rec.maxBasis, bound, stable)),
	}
}

func (c *LockTable) judgeLocks(r *Request, locks []lock, v *Verdict) {
	for i := range locks {
		l := &locks[i]
		switch {
		case r.appends[l.append].out:
			continue
		case l.is(judged) && l.is(all):
			c.judgeAll(r, l, v)
		case l.is(judged):
			c.judgeLock(r, l, v)
		}
		if v.Admitted() && !l.is(all) && c.holds.any() {
			c.judgeHolds(r, l, v)
		}
		if !v.Admitted() {
			return
		}
	}
}

func (c *LockTable) judgeLock(r *Request, l *lock, v *Verdict) {
	// A mark of the same batch is newer than any basis, and its offset is not known yet.
	if l.earlier >= 0 {
		if e := r.earlierMark(l); e != nil {
			v.Refusal = r.inBatch(l, e.record, e.append)
			return
		}
	}
	last, g, more := c.lastAfter(l.hash, l.basis)
	if last > l.basis {
		c.conflict(r, l, last, g.writerOf(last), v)
		return
	}
	// Only a basis from before the window needs the base, and so a read of the disk.
	if more {
		c.judgeOld(r, l, v)
	}
}

// lastAfter searches the window for a mark after the basis. more says that
// the window does not reach back to the basis and knows no mark at all.
func (c *LockTable) lastAfter(h hash, basis protocol.Offset) (last protocol.Offset, g *generation, more bool) {
	g = &c.young
	for i := len(c.frozen); ; g = c.frozen[i] {
		if last = g.last(h); last != protocol.None || g.start <= basis+1 {
			return last, g, false
		}
		if i--; i < 0 {
			return protocol.None, nil, true
		}
	}
}

// judgeOld is judgeLock for a basis below the window and a lock that is not
// in it.
func (c *LockTable) judgeOld(r *Request, l *lock, v *Verdict) {
	last, by, err := c.base.lock(r.name(l))
	switch {
	case err != nil:
		v.Err = err
	case last > l.basis:
		c.conflict(r, l, last, by, v)
	case last == protocol.None && l.basis+1 < c.historyStart():
		v.Refusal = c.unknown(r, l)
	}
}

// judgeAll judges "*": any data record after the basis is a conflict.
func (c *LockTable) judgeAll(r *Request, l *lock, v *Verdict) {
	first := r.appends[l.append].first
	if index, a, ok := r.keptBefore(l.append, first); ok {
		v.Refusal = r.inBatch(l, index, a)
		return
	}
	switch {
	case c.newest.offset > l.basis:
		c.conflict(r, l, c.newest.offset, c.newest.by.text(), v)
	case c.newest.offset == protocol.None && l.basis+1 < c.historyStart():
		v.Refusal = c.unknown(r, l)
	default:
		c.judgeOpen(r, l, v)
	}
}

func (c *LockTable) conflict(r *Request, l *lock, last protocol.Offset, by []byte, v *Verdict) {
	v.Await = c.holds.citable(last)
	v.Refusal = &protocol.Refusal{
		Kind: protocol.RefusalConflict, Record: l.record, Lock: string(r.rawName(l)),
		Last: last, Basis: l.basis, By: string(by),
	}
}

func (c *LockTable) unknown(r *Request, l *lock) *protocol.Refusal {
	return &protocol.Refusal{
		Kind: protocol.RefusalUnknown, Record: l.record, Lock: string(r.rawName(l)),
		Last: protocol.None, Basis: l.basis, HistoryStart: c.historyStart(),
	}
}

// inBatch is the conflict with a record of the same batch, which is in append
// a, or in none when a is -1.
func (r *Request) inBatch(l *lock, earlier, a int32) *protocol.Refusal {
	refusal := &protocol.Refusal{
		Kind: protocol.RefusalConflict, Record: l.record, Lock: string(r.rawName(l)),
		Last: protocol.None, LastInBatch: true, EarlierRecord: earlier, Basis: l.basis,
	}
	if a >= 0 {
		refusal.By = string(r.id(r.appends[a].id))
	}
	return refusal
}

// earlierMark is the latest mark of the same lock by an append before l's that
// is to be written; nil for none.
func (r *Request) earlierMark(l *lock) *lock {
	for place := l.earlier; place >= 0; {
		e := &r.locks[place]
		if !r.appends[e.append].out {
			return e
		}
		place = e.earlier
	}
	return nil
}

// keptBefore is the last record before index that is to be written, and its
// append, or -1 when it has no lock headers. a is the append that begins at index.
func (r *Request) keptBefore(a, index int32) (int32, int32, bool) {
	for index--; index >= 0; {
		if a == 0 || r.appends[a-1].last < index {
			return index, -1, true
		}
		if a--; !r.appends[a].out {
			return index, a, true
		}
		index = r.appends[a].first - 1
	}
	return 0, 0, false
}
