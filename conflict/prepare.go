package conflict

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// locksPerBatchMax bounds what one batch can make a Request hold: 16 MiB.
const locksPerBatchMax = 1 << 18

// Prepare reads the lock headers of a client's batch. It needs no partition,
// so it runs on the connection's goroutine. The request copies what it needs:
// batch and records may be released after it.
//
// Both answers are nil when the batch has no lock headers and needs none. A
// refusal is always MALFORMED.
func Prepare(b record.Batch, recs *record.Records, pol Policy) (*Request, *protocol.Refusal) {
	r := requests.Get().(*Request)
	r.reset(b)
	if refusal := r.read(b, recs, pol); refusal != nil {
		r.Release()
		return nil, refusal
	}
	if len(r.records) == 0 {
		r.Release()
		return nil, nil
	}
	r.link()
	return r, nil
}

func (r *Request) read(b record.Batch, recs *record.Records, pol Policy) *protocol.Refusal {
	quick := pol != Off && !b.Transactional()
	w := recs.Walk()
	for w.Next() {
		if quick && r.readPlain(&w) {
			continue
		}
		if text := r.readRecord(b, &w, pol); text != "" {
			return &protocol.Refusal{Kind: protocol.RefusalMalformed, Record: w.Index, Text: text}
		}
	}
	r.endAppend()
	return nil
}

// readRecord takes one record, and says what is wrong with it, if anything.
func (r *Request) readRecord(b record.Batch, w *record.Walker, pol Policy) string {
	err := r.readHeaders(w)
	switch {
	case err != nil:
		return malformedText(err)
	case r.headers.Empty() && pol == Required:
		return "the record has no lock headers, and this topic has conflict.policy=required"
	case r.headers.Empty():
		r.addPlain(w)
		return ""
	case pol == Off:
		return "lock headers on a topic with conflict.policy=off"
	case b.Transactional():
		return "lock headers inside a Kafka transaction are not supported"
	case len(r.locks)+len(r.headers.Items) > locksPerBatchMax:
		return fmt.Sprintf("more than %d locks in one batch", locksPerBatchMax)
	}
	r.addRecord(w)
	return ""
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
	if errors.As(err, &m) {
		return m.Text
	}
	return err.Error()
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
