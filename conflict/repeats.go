package conflict

import "github.com/lockstep-log/lockstep/protocol"

// Repeats finds the appends whose lock-id was used before: with the same
// content they are repeats, to be left out; with other content the batch is
// refused. It notes what it finds in the request and changes nothing else.
//
// It comes before every other check of locks and sequences: the retry of
// something written must never be told of a conflict with itself.
func (c *LockTable) Repeats(r *Request) Verdict {
	v := Verdict{Await: protocol.None, FirstOffset: protocol.None}
	if len(r.ids) == 0 {
		return v
	}
	r.prefetched += c.young.idIndex.prefetchIDs(r.ids)
	found, await := 0, protocol.None
	for i := range r.ids {
		id := &r.ids[i]
		entry, ok, held, err := c.standing(r, int32(i))
		out := &r.appends[id.append].out
		*out = ok || id.twin >= 0
		switch {
		case err != nil:
			v.Err = err
			return v
		case held:
			v.Refusal, v.Await = r.heldID(int32(i), entry.first), entry.first
			return v
		case ok && entry.digest != id.content:
			v.Refusal, v.Await = r.duplicate(int32(i), entry.first), c.holds.citable(entry.first)
			return v
		case ok:
			if found++; v.FirstOffset == protocol.None {
				v.FirstOffset = entry.first
			}
			await = max(await, c.holds.citable(entry.last()))
		case *out && r.ids[id.twin].content != id.content:
			v.Refusal = r.duplicateInBatch(int32(i))
			return v
		}
	}
	if v.Duplicate = found == len(r.appends) && r.plain == 0; v.Duplicate {
		v.Await = await
		return v
	}
	v.Drop = r.dropped()
	return v
}

func (r *Request) duplicate(id int32, first protocol.Offset) *protocol.Refusal {
	return &protocol.Refusal{
		Kind: protocol.RefusalDuplicate, Record: r.appends[r.ids[id].append].first, ID: string(r.id(id)),
		Last: first, Basis: protocol.None,
	}
}

// duplicateInBatch names the append of this very batch that was first to use
// the id.
func (r *Request) duplicateInBatch(id int32) *protocol.Refusal {
	first := id
	for r.ids[first].twin >= 0 {
		first = r.ids[first].twin
	}
	refusal := r.duplicate(id, protocol.None)
	refusal.LastInBatch, refusal.EarlierRecord = true, r.appends[r.ids[first].append].first
	return refusal
}

// dropped lists the records of the repeats; nil for none.
func (r *Request) dropped() []bool {
	r.drop = r.drop[:0]
	for i := range r.appends {
		a := &r.appends[i]
		if !a.out {
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

// standing finds the append that stands under one of the request's lock-ids: one
// that is decided, or one of its own transaction. held says that it is one of
// another transaction instead, which is open.
func (c *LockTable) standing(r *Request, place int32) (entry idEntry, found, held bool, err error) {
	id := &r.ids[place]
	entry, found, err = c.appended(id.hash, r.id(place))
	if found || err != nil || !c.holds.any() {
		return entry, found, false, err
	}
	h, undecided := c.holds.ids[id.hash]
	if !undecided {
		return entry, false, false, nil
	}
	own := h.producer == r.owner()
	return h.entry, own, !own, nil
}

// appended finds the append that used a lock-id: the newest that was judged, or
// else the first that was carried.
func (c *LockTable) appended(h hash, id []byte) (entry idEntry, found bool, err error) {
	g := &c.young
	for i := len(c.frozen); ; g = c.frozen[i] {
		if e, ok := g.appended(h); ok {
			if entry, found = e, true; !e.carried {
				return entry, true, nil
			}
		}
		if i--; i < 0 {
			break
		}
	}
	if first, ok, err := c.base.id(id); ok || err != nil {
		return first, ok, err
	}
	return entry, found, nil
}
