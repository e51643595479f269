package conflict

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// Admit judges a request that is to be appended at base and marks it in the
// same walk over its locks, so that each place in the table is waited for once.
// It is Judge and Mark for the request that nothing speaks against: nearly
// every one. Where it is not sure it changes nothing and answers false, and the
// caller judges the long way.
func (c *LockTable) Admit(r *Request, base, stable protocol.Offset) bool {
	// A basis at or beyond the last stable offset is refused, and with a text of its
	// own: that is the long way's. So are transactions, and what they may hold.
	if r.transactional || c.holds.any() {
		return false
	}
	if v := c.Repeats(r); !v.Admitted() || v.Drop != nil || r.maxBasis >= stable {
		return false
	}
	c.begin(base)
	if !c.markAllowed(r, base) {
		return false
	}
	c.markIDs(r, base)
	c.markNewest(r, base)
	c.advance(base+protocol.Offset(r.lastOf), r.size)
	return true
}

// markAllowed marks all locks, or none.
func (c *LockTable) markAllowed(r *Request, base protocol.Offset) bool {
	g := &c.young
	r.absent = r.absent[:0]
	r.before = slices.Grow(r.before[:0], len(r.locks))[:len(r.locks)]
	for start := 0; start < len(r.locks); start += prefetchBlock {
		end := min(start+prefetchBlock, len(r.locks))
		// In blocks that stay in the processor's first cache until they are judged.
		if end-start > 1 {
			r.prefetched += g.locks.prefetch(r.locks[start:end])
		}
		if n := g.markKnown(r, start, end, base); n < end {
			g.unmark(r, n)
			return false
		}
	}
	// A lock that is in the batch twice and not in the table passed markKnown twice.
	if r.markedBefore(r.absent) {
		g.unmark(r, len(r.locks))
		return false
	}
	c.markAbsent(r, base)
	return true
}

// markAbsent enters the locks that the table does not have.
func (c *LockTable) markAbsent(r *Request, base protocol.Offset) {
	g := &c.young
	for rest := r.absent; len(rest) > 0; {
		block := rest[:min(len(rest), prefetchBlock)]
		if len(block) > 1 {
			r.prefetched += g.locks.prefetchNew(r.locks, block)
		}
		for _, i := range block {
			if l := &r.locks[i]; l.is(marks) {
				g.mark(l.hash, r.name(l), base+protocol.Offset(l.record), c.budget)
			}
		}
		rest = rest[len(block):]
	}
}

// markKnown judges the locks from start to end by this generation alone, and
// marks those that it has been told of before; the others would be new entries,
// which are harder to take back. It stops at the first lock that is not seen to
// be allowed, and answers its place. A lock that the same batch has marked is
// such a one, since no basis reaches that far.
func (g *generation) markKnown(r *Request, start, end int, base protocol.Offset) int {
	unknown := g.start - 1
	locks, before := r.locks[:end], r.before[:end]
	for i := start; i < end; i++ {
		l := &locks[i]
		if l.is(all) {
			return i
		}
		s := g.locks.find(l.hash)
		// A lock that is not there has value 0 and comes out as unknown: that is
		// what this generation says of a basis it does not reach back to.
		if l.is(judged) && unknown+protocol.Offset(s.value>>32) > l.basis {
			return i
		}
		before[i] = s.value
		switch {
		case s.value == 0:
			r.absent = append(r.absent, int32(i))
		case l.is(marks):
			s.value = g.valueAt(base+protocol.Offset(l.record), s.value)
		}
	}
	return end
}

// unmark takes back what markKnown did before a place, from the end.
func (g *generation) unmark(r *Request, end int) {
	for i := end - 1; i >= 0; i-- {
		if l := &r.locks[i]; l.is(marks) && r.before[i] != 0 {
			g.locks.find(l.hash).value = r.before[i]
		}
	}
}
