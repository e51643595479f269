package conflict

import "github.com/lockstep-log/lockstep/protocol"

// Repeats finds the appends whose lock-id was used before: with the same
// content they are repeats, to be left out; with other content the batch is
// refused. It notes what it finds in the request and changes nothing else.
//
// It comes before every other check of locks and sequences: the retry of
// something written must never be told of a conflict with itself.
func (c *Coordinator) Repeats(r *Request) Verdict {
	v := Verdict{Await: protocol.None, FirstOffset: protocol.None}
	found, await := 0, protocol.None
	for i := range r.appends {
		a := &r.appends[i]
		a.repeat = false
		if a.id.n == 0 {
			continue
		}
		entry, ok, err := c.appended(a.idHash, r.text(a.id))
		switch {
		case err != nil:
			v.Err = err
			return v
		case ok && entry.digest != a.content:
			v.Refusal, v.Await = r.duplicate(a, entry.first), entry.first
			return v
		case ok:
			if found++; v.FirstOffset == protocol.None {
				v.FirstOffset = entry.first
			}
			a.repeat, await = true, max(await, entry.last())
		case a.twin >= 0:
			if v.Refusal = r.judgeTwin(a); v.Refusal != nil {
				return v
			}
			a.repeat = true
		}
	}
	if v.Duplicate = found == len(r.appends) && r.plain == 0; v.Duplicate {
		v.Await = await
		return v
	}
	v.Drop = r.dropped()
	return v
}

// judgeTwin judges an append whose id was first used by this very batch.
func (r *Request) judgeTwin(a *lockAppend) *protocol.Refusal {
	twin := &r.appends[a.twin]
	if twin.content == a.content {
		return nil
	}
	first := twin
	for first.twin >= 0 {
		first = &r.appends[first.twin]
	}
	refusal := r.duplicate(a, protocol.None)
	refusal.LastInBatch, refusal.EarlierRecord = true, first.first
	return refusal
}

func (r *Request) duplicate(a *lockAppend, first protocol.Offset) *protocol.Refusal {
	return &protocol.Refusal{
		Kind: protocol.RefusalDuplicate, Record: a.first, ID: string(r.text(a.id)), Last: first, Basis: protocol.None,
	}
}

// dropped lists the records of the repeats; nil for none.
func (r *Request) dropped() []bool {
	r.drop = r.drop[:0]
	for i := range r.appends {
		a := &r.appends[i]
		if !a.repeat {
			continue
		}
		if len(r.drop) == 0 {
			r.drop = append(r.drop, make([]bool, r.lastOf+1)...)
		}
		for index := a.first; index <= a.last; index++ {
			r.drop[index] = true
		}
	}
	if len(r.drop) == 0 {
		return nil
	}
	return r.drop
}

// appended finds the append that used a lock-id.
func (c *Coordinator) appended(h hash, id []byte) (idEntry, bool, error) {
	if entry, ok := c.young.appended(h); ok {
		return entry, true, nil
	}
	for i := len(c.frozen) - 1; i >= 0; i-- {
		if entry, ok := c.frozen[i].appended(h); ok {
			return entry, true, nil
		}
	}
	return c.base.id(id)
}
