package conflict

import (
	"fmt"
	"math"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// holds are what the open transactions of a partition have on its locks, from the
// append of their records to their markers; and what those records will be once
// they are committed. In a partition without open transactions it is empty, and
// costs a look at a length.
//
//	            append                  commit
//	request ──────────────► held ──────────────────────► marks and lock-ids of the table
//	                          │    abort
//	                          └──────────────────────► nothing
//
// Names and ids that are decided lie in the generation of their record's offset, be
// it frozen by then or not. So the owner has nothing written to the Base that lies
// at or behind the first record that is undecided: see Flush.
type holds struct {
	open  []*transaction // by their first records
	locks map[hash]*lockHolds
	ids   map[hash]heldID
	// marked is the newest marker that decided something; None before any. An answer
	// that rests on what a transaction wrote rests on the marker too.
	marked protocol.Offset
	seen   bool // there was a transaction since the table was opened
}

// transaction is one that is open and has data records.
type transaction struct {
	producer protocol.ProducerID
	first    protocol.Offset // its first data record,
	firstBy  string          // and that one's lock-id
	newest   newest          // its newest data record
	marks    []heldMark      // in the order of the log
	shared   []heldMark      // locks that it holds and does not mark
	ids      []heldID
}

// heldMark will be the newest mark of a lock.
type heldMark struct {
	hash hash
	name []byte
	at   protocol.Offset
}

// heldID is an append with a lock-id. It has its place among a generation's ids from
// the beginning, since those are in the order of the log.
type heldID struct {
	hash     hash
	producer protocol.ProducerID
	entry    idEntry
	place    int
}

// lockHolds are the holds on one lock, by their offsets. But for what is carried,
// and so not judged, there is one transaction in exclusive, or any number in shared.
type lockHolds struct{ exclusive, shared []hold }

// hold is the first record of a transaction that holds a lock in a way.
type hold struct {
	producer protocol.ProducerID
	at       protocol.Offset
	by       string // its lock-id
}

// any reports whether a transaction is open.
func (h *holds) any() bool { return len(h.open) > 0 }

// first is the first record that is undecided, or an offset above all.
func (h *holds) first() protocol.Offset {
	if len(h.open) == 0 {
		return math.MaxInt64
	}
	return h.open[0].first
}

// of is a producer's open transaction; nil: it has none.
func (h *holds) of(id protocol.ProducerID) *transaction {
	for _, t := range h.open {
		if t.producer == id {
			return t
		}
	}
	return nil
}

// begin is a producer's open transaction, which begins here if there is none.
func (h *holds) begin(id protocol.ProducerID, first protocol.Offset, by []byte) *transaction {
	if t := h.of(id); t != nil {
		return t
	}
	t := &transaction{producer: id, first: first, firstBy: string(by), newest: newest{offset: protocol.None}}
	h.open, h.seen = append(h.open, t), true
	return t
}

// excluding is the first hold of another transaction that excludes a lock of a
// request: nil if none does. An exclusive hold excludes every request that names the
// lock, a shared one writes and appends.
func (h *holds) excluding(l *lock, owner protocol.ProducerID) *hold {
	of := h.locks[l.hash]
	if of == nil {
		return nil
	}
	found := firstOfOthers(of.exclusive, owner)
	if l.is(marks) {
		if s := firstOfOthers(of.shared, owner); s != nil && (found == nil || s.at < found.at) {
			found = s
		}
	}
	return found
}

func firstOfOthers(all []hold, owner protocol.ProducerID) *hold {
	for i := range all {
		if all[i].producer != owner {
			return &all[i]
		}
	}
	return nil
}

// add notes a hold, unless the transaction holds the lock in that way already.
func (h *holds) add(lock hash, exclusive bool, n hold) {
	if h.locks == nil {
		h.locks = map[hash]*lockHolds{}
	}
	of := h.locks[lock]
	if of == nil {
		of = &lockHolds{}
		h.locks[lock] = of
	}
	list := &of.shared
	if exclusive {
		list = &of.exclusive
	}
	if !slices.ContainsFunc(*list, func(o hold) bool { return o.producer == n.producer }) {
		*list = append(*list, n)
	}
}

// release takes a transaction's holds off.
func (h *holds) release(t *transaction) {
	free := func(lock hash) {
		of := h.locks[lock]
		if of == nil {
			return
		}
		own := func(o hold) bool { return o.producer == t.producer }
		of.exclusive, of.shared = slices.DeleteFunc(of.exclusive, own), slices.DeleteFunc(of.shared, own)
		if len(of.exclusive)+len(of.shared) == 0 {
			delete(h.locks, lock)
		}
	}
	for i := range t.marks {
		free(t.marks[i].hash)
	}
	for i := range t.shared {
		free(t.shared[i].hash)
	}
	for i := range t.ids {
		if id := &t.ids[i]; h.ids[id.hash].producer == t.producer {
			delete(h.ids, id.hash)
		}
	}
	h.open = slices.DeleteFunc(h.open, func(o *transaction) bool { return o == t })
	if len(h.open) == 0 {
		h.open, h.locks, h.ids = nil, nil, nil
	}
}

// citable is the offset that must be below the high watermark before a record is
// cited: the record's, or that of a marker without which it would not count.
func (h *holds) citable(o protocol.Offset) protocol.Offset { return max(o, h.marked) }

// owner is the producer whose transaction the request belongs to, or NoProducer.
func (r *Request) owner() protocol.ProducerID {
	if r.transactional {
		return r.producer
	}
	return protocol.NoProducer
}

// firstKept is the first record that is to be written, and the lock-id of its append.
func (r *Request) firstKept() (index int32, by []byte, ok bool) {
	index = r.firstOf
	for i := range r.appends {
		a := &r.appends[i]
		switch {
		case index < a.first:
			return index, nil, true
		case !a.out:
			return a.first, r.id(a.id), true
		}
		index = a.last + 1
	}
	return index, nil, index <= r.lastOf
}

// hold is mark for a request of a transaction, which marks nothing yet.
func (c *LockTable) hold(r *Request, base protocol.Offset) {
	index, by, ok := r.firstKept()
	if !ok {
		return
	}
	t := c.holds.begin(r.producer, base+protocol.Offset(index), by)
	for i := range r.locks {
		l := &r.locks[i]
		if r.appends[l.append].out || l.is(all) {
			continue
		}
		n := hold{r.producer, base + protocol.Offset(l.record), string(r.id(r.appends[l.append].id))}
		list := &t.shared
		if l.is(marks) {
			list = &t.marks
		}
		*list = append(*list, heldMark{l.hash, slices.Clone(r.name(l)), n.at})
		c.holds.add(l.hash, l.is(marks), n)
	}
	c.holdIDs(t, r, base)
	r.newestOf(base, &t.newest)
}

func (c *LockTable) holdIDs(t *transaction, r *Request, base protocol.Offset) {
	for i := range r.ids {
		id := &r.ids[i]
		a := &r.appends[id.append]
		if a.out {
			continue
		}
		e := idEntry{base + protocol.Offset(a.first), uint32(a.last - a.first + 1), id.content, r.carried}
		h := heldID{id.hash, r.producer, e, c.young.note(r.id(int32(i)), e, true, c.budget)}
		t.ids = append(t.ids, h)
		if c.holds.ids == nil {
			c.holds.ids = map[hash]heldID{}
		}
		if _, held := c.holds.ids[id.hash]; !held {
			c.holds.ids[id.hash] = h
		}
	}
}

// decide ends a producer's transaction by its marker.
func (c *LockTable) decide(id protocol.ProducerID, commit bool, marker protocol.Offset) {
	t := c.holds.of(id)
	if t == nil {
		return
	}
	c.holds.marked = marker
	if commit {
		for i := range t.marks {
			m := &t.marks[i]
			c.generationOf(m.at).markAtLeast(m.hash, m.name, m.at, c.budget)
		}
		for i := range t.ids {
			h := &t.ids[i]
			c.generationOf(h.entry.first).decideID(h.hash, h.place, c.budget)
		}
		c.decideNewest(&t.newest)
	}
	c.holds.release(t)
}

// decideNewest makes a record the newest that counts, if it is, also in what the
// frozen generations will tell the Base.
func (c *LockTable) decideNewest(n *newest) {
	for _, g := range c.frozen {
		if !g.flushed && g.end >= n.offset && g.asOfEnd.offset < n.offset {
			g.asOfEnd = *n
		}
	}
	if c.newest.offset < n.offset {
		c.newest = *n
	}
}

// generationOf is the generation that an offset lies in.
func (c *LockTable) generationOf(o protocol.Offset) *generation {
	if o >= c.young.start {
		return &c.young
	}
	for i := len(c.frozen) - 1; i >= 0; i-- {
		if g := c.frozen[i]; g.start <= o && !g.flushed {
			return g
		}
	}
	panic(fmt.Sprintf("conflict: offset %d is decided, and was written to the base before", o))
}

// markAtLeast is mark for a record that others may have come behind meanwhile.
func (g *generation) markAtLeast(h hash, name []byte, o protocol.Offset, b *Budget) {
	if g.last(h) < o {
		g.mark(h, name, o, b)
	}
}

// judgeHolds refuses a lock that another transaction holds.
func (c *LockTable) judgeHolds(r *Request, l *lock, v *Verdict) {
	if h := c.holds.excluding(l, r.owner()); h != nil {
		v.Await = h.at
		v.Refusal = &protocol.Refusal{
			Kind: protocol.RefusalHeld, Record: l.record, Lock: string(r.rawName(l)), Last: h.at, Basis: l.basis, By: h.by,
		}
	}
}

// judgeOpen refuses "*" while a record behind its basis is undecided.
func (c *LockTable) judgeOpen(r *Request, l *lock, v *Verdict) {
	for _, t := range c.holds.open {
		if t.newest.offset <= l.basis || t.producer == r.owner() {
			continue
		}
		v.Await = t.first
		v.Refusal = &protocol.Refusal{
			Kind: protocol.RefusalHeld, Record: l.record, Lock: string(r.rawName(l)), Last: t.first, Basis: l.basis, By: t.firstBy,
		}
		return
	}
}

// heldID refuses a lock-id under which an undecided append stands.
func (r *Request) heldID(id int32, since protocol.Offset) *protocol.Refusal {
	return &protocol.Refusal{
		Kind: protocol.RefusalHeld, Record: r.appends[r.ids[id].append].first, ID: string(r.id(id)),
		Last: since, Basis: protocol.None,
	}
}

// Hold is what an open transaction has on a lock.
type Hold struct {
	Since     protocol.Offset // the record that holds it
	By        string          // that one's lock-id; "" for none
	Exclusive bool
}

// Held tells the first hold on a lock, by its decoded name.
func (c *LockTable) Held(name []byte) (h Hold, held bool) {
	of := c.holds.locks[hashOf(name)]
	if of == nil {
		return Hold{}, false
	}
	if len(of.exclusive) > 0 {
		return Hold{of.exclusive[0].at, of.exclusive[0].by, true}, true
	}
	return Hold{of.shared[0].at, of.shared[0].by, false}, true
}

// Holds counts the locks that are held.
func (c *LockTable) Holds() int { return len(c.holds.locks) }
