package conflict

import "github.com/lockstep-log/lockstep/protocol"

// Admit judges a request that is to be appended at base and marks it in the
// same walk over its locks, so that each place in the table is waited for once.
// It is Judge and Mark for the request that nothing speaks against: nearly
// every one. Where it is not sure it changes nothing and answers false, and the
// caller judges the long way.
func (c *Coordinator) Admit(r *Request, base, highWatermark protocol.Offset) bool {
	if v := c.Repeats(r); !v.Admitted() || v.Drop != nil || r.maxBasis >= highWatermark {
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
func (c *Coordinator) markAllowed(r *Request, base protocol.Offset) bool {
	g := &c.young
	r.fresh = r.fresh[:0]
	if n := len(r.locks); cap(r.before) < n {
		r.before = make([]uint64, n)
	}
	for start := 0; start < len(r.locks); start += touchBlock {
		end := min(start+touchBlock, len(r.locks))
		block, before := r.locks[start:end], r.before[start:end]
		if len(block) > 1 {
			r.touched += g.locks.touch(block)
		}
		n := g.markKnown(block, before, base)
		for i := range block[:n] {
			if before[i] == 0 && block[i].is(marks) {
				r.fresh = append(r.fresh, int32(start+i))
			}
		}
		if n < len(block) {
			g.unmark(r.locks[:start+n], r.before[:start+n])
			return false
		}
	}
	for _, i := range r.fresh {
		l := &r.locks[i]
		g.mark(l.hash, r.name(l), base+protocol.Offset(l.record), c.budget)
	}
	return true
}

// markKnown judges locks as allowed does, and marks those that it has
// been told of before; the others would be new entries, which are harder to
// take back. before is what their values were. It stops at the first lock that
// is not seen to be allowed, and answers how many are before it.
func (g *generation) markKnown(locks []lock, before []uint64, base protocol.Offset) int {
	unknown := g.start - 1
	for i := range locks {
		l := &locks[i]
		before[i] = 0
		if l.is(all) {
			return i
		}
		s := g.locks.find(l.hash)
		if l.is(judged) && (l.earlier >= 0 || unknown+protocol.Offset(s.value>>32) > l.basis) {
			return i
		}
		if l.is(marks) && s.value != 0 {
			before[i] = s.value
			s.value = g.valueAt(base+protocol.Offset(l.record), s.value)
		}
	}
	return len(locks)
}

// unmark takes back what markKnown did, from the end.
func (g *generation) unmark(locks []lock, before []uint64) {
	for i := len(locks) - 1; i >= 0; i-- {
		if before[i] != 0 {
			g.locks.find(locks[i].hash).value = before[i]
		}
	}
}
