package conflict

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Mark notes that the request's batch was appended at base, less what the
// verdict drops. It must be called before anything else is judged.
func (c *LockTable) Mark(r *Request, base protocol.Offset, v Verdict) {
	if !v.Admitted() {
		panic("conflict: a batch is marked that was not admitted")
	}
	end := base + protocol.Offset(r.lastOf)
	c.begin(base)
	c.mark(r, base)
	c.advance(end, r.size)
}

// Observe notes that a batch without lock headers was appended. Control
// batches hold no data records: they only move the end, but for markers, of which
// Fold must see the records.
func (c *LockTable) Observe(b record.Batch) {
	c.begin(b.BaseOffset())
	switch {
	case b.Control() || b.Count() == 0:
	case b.Transactional():
		t := c.holds.begin(b.ProducerID(), b.BaseOffset(), nil)
		t.newest.offset, t.newest.by.n = b.LastOffset(), 0
	default:
		c.newest.offset = b.LastOffset()
		c.newest.by.n = 0
	}
	c.advance(b.LastOffset(), b.Size())
}

// Fold notes a batch as the log has it: it does what Mark or Observe did when
// the batch was appended. Batches that the table holds already are ignored.
// recs are b's records, and may be nil when NeedsRecords says so.
//
// Lock headers that break the grammar mark nothing: no leader admits them. Of a
// batch that was carried, each header is looked at by itself.
func (c *LockTable) Fold(b record.Batch, recs *record.Records) {
	if b.LastOffset() <= c.young.end {
		return
	}
	if recs == nil || b.Control() || b.Count() == 0 {
		if recs != nil && b.Control() {
			c.foldMarker(b, recs)
		}
		c.Observe(b)
		return
	}
	r := requests.Get().(*Request)
	r.reset(b)
	r.carried = b.Carried()
	r.readLog(recs)
	if w := recs.Walk(); w.Next() {
		r.firstOf = w.OffsetDelta
	}
	c.begin(b.BaseOffset())
	c.mark(r, b.BaseOffset())
	c.advance(b.LastOffset(), b.Size())
	r.Release()
}

// foldMarker ends a transaction.
func (c *LockTable) foldMarker(b record.Batch, recs *record.Records) {
	if m, ok := recs.Marker(); ok {
		c.decide(b.ProducerID(), m.Commit, b.BaseOffset())
	}
}

// NeedsRecords reports whether Fold must see the records of a batch: when it
// may have lock headers, and when records were left out of it, so that its
// newest record is not at its last offset. Of a marker, to know how a transaction ends.
func NeedsRecords(b record.Batch) bool {
	return b.Count() > 0 && (b.Control() || b.MentionsLocks() || b.Count() != b.LastOffsetDelta()+1)
}

// readLog is read without a policy, and without refusals.
func (r *Request) readLog(recs *record.Records) {
	w := recs.Walk()
	for w.Next() {
		if r.readPlain(&w, Optional) == isPlain {
			continue
		}
		if r.carried {
			r.readCarried(&w)
			continue
		}
		if r.readHeaders(&w) != nil || r.headers.Empty() {
			r.addPlain(&w)
			continue
		}
		r.addRecord(&w)
	}
	r.endAppend()
}

// begin makes room for a batch at that offset, which is behind all others.
func (c *LockTable) begin(base protocol.Offset) {
	if base <= c.young.end {
		panic(fmt.Sprintf("conflict: offset %d is marked, and %d was before", base, c.young.end))
	}
	if c.young.overflows() {
		c.freeze()
	}
}

// advance notes that the log is folded up to and including end.
func (c *LockTable) advance(end protocol.Offset, bytes int) {
	c.young.end = end
	c.young.logBytes += int64(bytes)
}

func (c *LockTable) mark(r *Request, base protocol.Offset) {
	if r.transactional {
		c.hold(r, base)
		return
	}
	g := &c.young
	for rest := r.locks; len(rest) > 0; {
		block := rest[:min(len(rest), prefetchBlock)]
		r.prefetched += g.locks.prefetch(block)
		for i := range block {
			if l := &block[i]; l.flags&(marks|all) == marks && !r.appends[l.append].out {
				g.mark(l.hash, r.name(l), base+protocol.Offset(l.record), c.budget)
			}
		}
		rest = rest[len(block):]
	}
	c.markIDs(r, base)
	c.markNewest(r, base)
}

func (c *LockTable) markIDs(r *Request, base protocol.Offset) {
	g := &c.young
	for i := range r.ids {
		id := &r.ids[i]
		if a := &r.appends[id.append]; !a.out {
			first, count := base+protocol.Offset(a.first), uint32(a.last-a.first+1)
			g.remember(id.hash, r.id(int32(i)), first, count, id.content, r.carried, c.budget)
		}
	}
}

func (c *LockTable) markNewest(r *Request, base protocol.Offset) { r.newestOf(base, &c.newest) }

// newestOf sets n to the request's newest record that is written, if there is one.
func (r *Request) newestOf(base protocol.Offset, n *newest) {
	index, a, ok := r.keptBefore(int32(len(r.appends)), r.lastOf+1)
	if !ok {
		return
	}
	n.offset = base + protocol.Offset(index)
	n.by.n = 0
	if a >= 0 {
		n.by.set(r.id(r.appends[a].id))
	}
}
