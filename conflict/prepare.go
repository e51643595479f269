package conflict

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// locksPerBatchMax bounds what one batch can make a Request hold: 16 MiB.
const locksPerBatchMax = 1 << 18

var tooManyLocks = fmt.Sprintf("more than %d locks in one batch", locksPerBatchMax)

// Read is Batch.Open and Prepare in one walk over a client's batch. The records
// are the caller's to release, unless there is an error; the request is nil
// where the batch has no lock headers, and where it is refused.
func Read(
	b record.Batch, lim record.Limits, pol Policy,
) (recs record.Records, r *Request, refusal *protocol.Refusal, err error) {
	p, err := b.Prove(lim)
	if err != nil {
		return recs, nil, nil, err
	}
	r = requests.Get().(*Request)
	r.reset(b)
	r.carried = pol == Carry
	for p.Next() {
		fits := true
		if refusal == nil {
			fits, refusal = r.prepareRecord(b, &p.Walker, pol)
		} else {
			fits = p.HeadersFit()
		}
		if !fits {
			p.Misfit()
		}
	}
	if r.mentions {
		p.HasLocks()
	}
	recs, err = p.End()
	r, refusal = r.finish(refusal, err)
	return recs, r, refusal, err
}

// Prepare reads the lock headers of a client's batch that is open already.
// Neither it nor Read needs a partition, so they run on the connection's
// goroutine. The request copies what it needs: batch and records may be
// released after it.
//
// Both answers are nil when the batch has no lock headers and needs none. A
// refusal is always MALFORMED.
func Prepare(b record.Batch, recs *record.Records, pol Policy) (*Request, *protocol.Refusal) {
	r := requests.Get().(*Request)
	r.reset(b)
	r.carried = pol == Carry
	var refusal *protocol.Refusal
	for w := recs.Walk(); refusal == nil && w.Next(); {
		_, refusal = r.prepareRecord(b, &w, pol)
	}
	return r.finish(refusal, nil)
}

// finish ends the reading of a batch.
func (r *Request) finish(refusal *protocol.Refusal, err error) (*Request, *protocol.Refusal) {
	if err != nil || refusal != nil || len(r.records) == 0 {
		r.Release()
		if err != nil {
			refusal = nil
		}
		return nil, refusal
	}
	r.endAppend()
	r.linkIDs()
	return r, nil
}

// prepareRecord takes one record, and proves on the way that its headers fit. Of one
// that does not it says nothing else.
func (r *Request) prepareRecord(b record.Batch, w *record.Walker, pol Policy) (fits bool, refusal *protocol.Refusal) {
	if pol == Carry {
		return r.prepareCarried(w)
	}
	if pol != Off {
		switch r.readPlain(w, pol) {
		case isPlain:
			return true, nil
		case isMisfit:
			return false, nil
		}
	}
	locks, fits := w.ProveHeaders()
	if r.mentions = r.mentions || locks; !fits {
		return false, nil
	}
	if text := r.readRecord(b, w, pol); text != "" {
		return true, &protocol.Refusal{Kind: protocol.RefusalMalformed, Record: w.Index, Text: text}
	}
	return true, nil
}

// readRecord takes one record, and says what is wrong with it, if anything.
func (r *Request) readRecord(b record.Batch, w *record.Walker, pol Policy) string {
	err := r.readHeaders(w)
	switch {
	case err != nil:
		return malformedText(err)
	case r.headers.Empty() && pol == Required:
		return ofCopies("the record has no lock headers, and this topic has conflict.policy=required")
	case r.headers.Empty():
		r.addPlain(w)
		return ""
	case pol == Off:
		return ofCopies("lock headers on a topic with conflict.policy=off")
	case b.Transactional() && r.namesAll():
		return ofCopies(`"*" cannot be used in a transaction, which would keep plain producers out; name the locks that it stands for`)
	case len(r.locks)+len(r.headers.Items) > locksPerBatchMax:
		return tooManyLocks
	}
	r.addRecord(w)
	return ""
}

// namesAll reports whether the record at hand judges "*".
func (r *Request) namesAll() bool {
	return slices.ContainsFunc(r.headers.Items, func(item protocol.LockItem) bool {
		return item.All && flagsOf[item.Kind]&judged != 0
	})
}

// prepareCarried is prepareRecord for a topic that holds copies.
func (r *Request) prepareCarried(w *record.Walker) (fits bool, refusal *protocol.Refusal) {
	switch r.readPlain(w, Optional) {
	case isPlain:
		return true, nil
	case isMisfit:
		return false, nil
	}
	locks, fits := w.ProveHeaders()
	if r.mentions = r.mentions || locks; !fits {
		return false, nil
	}
	r.readCarried(w)
	if len(r.locks) > locksPerBatchMax {
		return true, &protocol.Refusal{Kind: protocol.RefusalMalformed, Record: w.Index, Text: tooManyLocks}
	}
	return true, nil
}

// readCarried takes what marks of a record that nobody judges, and its lock-id.
func (r *Request) readCarried(w *record.Walker) {
	r.headers.Reset()
	for headers := w.Headers(); ; {
		key, value, ok := headers.Next()
		if !ok {
			break
		}
		r.headers.Carried(key, value)
	}
	if len(r.headers.Items) == 0 && r.headers.ID == nil {
		r.addPlain(w)
		return
	}
	r.addRecord(w)
}

// RefuseCarried refuses the batch of a producer that wants its locks judged, in a
// topic that does not.
func RefuseCarried(recs *record.Records) *protocol.Refusal {
	refusal := &protocol.Refusal{Kind: protocol.RefusalMalformed, Text: "conflict.policy=carry: locks are not judged here"}
	for w := recs.Walk(); w.Next(); {
		if locks, _ := w.ProveHeaders(); locks {
			refusal.Record = w.Index
			break
		}
	}
	return refusal
}

// readHeaders leaves a record's lock headers in r.headers.
func (r *Request) readHeaders(w *record.Walker) error {
	r.headers.Reset()
	if w.HeaderCount == 0 {
		return nil
	}
	for headers := w.Headers(); ; {
		key, value, ok := headers.Next()
		if !ok {
			break
		}
		if err := r.headers.Header(key, value); err != nil {
			return err
		}
	}
	return r.headers.Finish()
}

func malformedText(err error) string {
	var m *protocol.Malformed
	switch {
	case !errors.As(err, &m):
		return err.Error()
	case m.Mistake:
		return m.Text
	default:
		return ofCopies(m.Text)
	}
}

// ofCopies is the text of a refusal to which a record may come that was a good
// request elsewhere, and was copied headers and all: it names the way out.
func ofCopies(text string) string {
	return text + "; if this topic holds copies, set conflict.policy=carry"
}

func (r *Request) addPlain(w *record.Walker) {
	r.endAppend()
	r.plain++
	r.lastOf = w.OffsetDelta
}

func (r *Request) addRecord(w *record.Walker) {
	q := &r.headers
	basis := q.MaxBasis()
	r.maxBasis = max(r.maxBasis, basis)
	r.toAppend(w)
	r.lastOf = w.OffsetDelta
	r.records = append(r.records, lockRecord{
		index: w.OffsetDelta, append: int32(len(r.appends) - 1), locks: int32(len(r.locks)), maxBasis: basis,
	})
	for i := range q.Items {
		r.addLock(&q.Items[i], w.OffsetDelta)
	}
	if q.ID != nil {
		r.content.record(w, q)
	}
}

// toAppend makes the record the last one of r.appends: of the append before
// it when it is that one's neighbour and has the same lock-id.
func (r *Request) toAppend(w *record.Walker) {
	id := r.headers.ID
	if r.hashing && r.lastOf+1 == w.OffsetDelta && bytes.Equal(r.id(int32(len(r.ids)-1)), id) {
		r.appends[len(r.appends)-1].last = w.OffsetDelta
		return
	}
	r.endAppend()
	a := lockAppend{first: w.OffsetDelta, last: w.OffsetDelta, id: -1}
	if id != nil {
		a.id = int32(len(r.ids))
		r.addID(id)
	}
	r.appends = append(r.appends, a)
}

func (r *Request) addID(id []byte) {
	r.ids = append(r.ids, lockID{
		hash: hashOf(id), at: r.keep(id), n: uint8(len(id)), append: int32(len(r.appends)), twin: -1,
	})
	r.content.begin(id)
	r.hashing = true
}

// endAppend completes the last append: no record joins it any more.
func (r *Request) endAppend() {
	if r.hashing {
		r.ids[len(r.ids)-1].content = r.content.end()
		r.hashing = false
	}
}

func (r *Request) addLock(item *protocol.LockItem, index int32) {
	r.locks = append(r.locks, lock{
		basis: item.Basis, at: r.keep(item.Raw), raw: uint16(len(item.Raw)),
		record: index, append: int32(len(r.appends) - 1), earlier: -1,
	})
	l := &r.locks[len(r.locks)-1]
	l.flags = flagsOf[item.Kind]
	if item.All {
		l.flags |= all
		return
	}
	l.hash = hashOf(item.Name)
	if len(item.Name) != len(item.Raw) { // it held %XX
		l.decoded = uint8(len(item.Name))
		r.keep(item.Name)
	}
}

var flagsOf = [...]lockFlags{
	protocol.LockWrite:  judged | marks,
	protocol.LockRead:   judged,
	protocol.LockAppend: marks,
}
