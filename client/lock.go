package client

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// None is the basis of a writer that has read nothing.
const None = int64(protocol.None)

// Lock is one lock of an append. It is a value: At gives another one.
type Lock struct {
	kind  protocol.LockKind
	all   bool
	name  string // as the application knows it: %XX is put in on the wire
	basis int64
	own   bool // basis was given by At
}

// Write is a lock that refuses the append if it was written after the basis,
// and that is marked with the append's offset.
func Write(name string) Lock { return Lock{kind: protocol.LockWrite, name: name} }

// Read is a lock that refuses the append if it was written after the basis,
// and that is not marked.
func Read(name string) Lock { return Lock{kind: protocol.LockRead, name: name} }

// Append is a lock that is only marked: a blind write that others must see.
func Append(name string) Lock { return Lock{kind: protocol.LockAppend, name: name} }

// Partition is the lock of the whole partition: it refuses the append if
// anything at all was appended after the basis. There is nothing to mark.
func Partition() Lock { return Lock{kind: protocol.LockWrite, all: true} }

// At gives the lock a basis of its own, in place of Cond.Basis. It may be None.
func (l Lock) At(offset int64) Lock {
	l.basis, l.own = offset, true
	return l
}

// String is the lock as it stands in its header.
func (l Lock) String() string {
	b, _ := l.appendTo(nil)
	return string(b)
}

// appendTo appends the lock as it stands in its header. It is plain if nothing
// can be wrong with it.
func (l *Lock) appendTo(b []byte) (_ []byte, plain bool) {
	switch {
	case l.all:
		b, plain = append(b, '*'), true
	case protocol.PlainLockName(l.name):
		b, plain = append(b, l.name...), true
	default:
		b = protocol.AppendLockName(b, l.name)
	}
	if l.own {
		b, plain = appendBasis(append(b, '@'), l.basis), plain && l.basis >= None
	}
	return b, plain
}

// Cond is the condition of an append.
type Cond struct {
	// ID is the writer's own name for the append, of 1 to 64 bytes without
	// spaces: it makes the append append-once, and names it to writers that it
	// beats. Empty is no name; an append of several records is then given a
	// random one, since it is the name that holds them together.
	ID string
	// Basis is the offset of the last record of the partition that the writer
	// had read and applied when it made the append; None if it had read
	// nothing. It counts for every lock without a basis of its own.
	Basis int64
	Locks []Lock
}

// Attach adds lock headers to a record, for any producer that can set headers,
// and returns the record. A lock without a basis of its own gets basis.
//
// With a plain Kafka producer one refused record refuses its whole batch: let
// such a producer have one conditional record in flight at a time, and use
// acks=all. Client has no such limits.
func Attach(r *kgo.Record, basis int64, locks ...Lock) *kgo.Record {
	headers, _ := appendLocks(nil, nil, &Cond{Basis: basis, Locks: locks})
	for _, h := range headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return r
}

// appendLocks adds the headers of a condition: one for each kind of lock that
// there is, lock-basis and lock-id. The values share a piece of memory: values,
// as far as it goes. They are plain if nothing can be wrong with them, so that
// checkHeaders need not look at them.
func appendLocks(headers []record.Header, values []byte, cond *Cond) (_ []record.Header, plain bool) {
	plain = len(cond.Locks) <= protocol.LocksPerRecordMax
	var kinds [lockKinds]bool
	for i := range cond.Locks {
		kinds[cond.Locks[i].kind] = true
	}
	needsBasis := false
	for _, kind := range [...]protocol.LockKind{protocol.LockWrite, protocol.LockRead, protocol.LockAppend} {
		if !kinds[kind] {
			continue
		}
		// One header lists all locks of a kind, with a space between them.
		start := len(values)
		for i := range cond.Locks {
			l := &cond.Locks[i]
			if l.kind != kind {
				continue
			}
			if len(values) > start {
				values = append(values, ' ')
			}
			var ok bool
			values, ok = l.appendTo(values)
			plain = plain && ok
			// A lock that has a basis of its own (At) does not ask for the common one.
			needsBasis = needsBasis || kind.Judged() && !l.own
		}
		headers = append(headers, record.Header{Key: kind.String(), Value: values[start:len(values):len(values)]})
	}
	// A basis without a lock that needs it would be refused by the broker.
	if needsBasis {
		start := len(values)
		values = appendBasis(values, cond.Basis)
		plain = plain && cond.Basis >= None
		headers = append(headers, record.Header{Key: protocol.HeaderLockBasis, Value: values[start:len(values):len(values)]})
	}
	if cond.ID != "" {
		start := len(values)
		values = append(values, cond.ID...)
		plain = plain && len(cond.ID) <= protocol.LockIDBytesMax && protocol.PlainLockName(cond.ID)
		headers = append(headers, record.Header{Key: protocol.HeaderLockID, Value: values[start:]})
	}
	return headers, plain
}

// lockKinds bounds the kinds, as an index.
const lockKinds = int(max(protocol.LockWrite, protocol.LockRead, protocol.LockAppend)) + 1

func appendBasis(b []byte, basis int64) []byte {
	if basis == None {
		return append(b, "none"...)
	}
	return strconv.AppendInt(b, basis, 10)
}

// checkHeaders holds a record's lock headers against the grammar, as the broker
// will, so that a mistake of one append costs its neighbours nothing.
func checkHeaders(q *protocol.LockRequest, headers []record.Header) error {
	q.Reset()
	for _, h := range headers {
		if !strings.HasPrefix(h.Key, protocol.LockPrefix) {
			continue
		}
		if err := q.Header([]byte(h.Key), h.Value); err != nil {
			return err
		}
	}
	return q.Finish()
}

// malformed is a refusal that needs no broker.
func malformed(at place, record int, err error) error {
	r := protocol.Refusal{Kind: protocol.RefusalMalformed, Record: int32(record), Text: err.Error()}
	return newError(at.topic, at.partition, &r, r.Message())
}

// GoString shows a lock in test failures as it stands in its header.
func (l Lock) GoString() string { return fmt.Sprintf("%s %s", l.kind, l) }

// header is the lock's name as a header, and so a refusal, has it.
func (l Lock) header() string {
	if l.all {
		return "*"
	}
	return string(protocol.AppendLockName(nil, l.name))
}
