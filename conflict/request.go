package conflict

import (
	"iter"
	"sync"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Request is what the lock headers of one batch ask: parsed, grouped into
// appends, hashed, and copied out of the batch. It comes from Prepare, is
// handed from the connection's goroutine to the partition's with the batch,
// and goes back to a pool with Release.
//
// Records are named by their index in the batch, from 0; in a batch with gaps
// that was read from a log, by their offset delta.
type Request struct {
	records []lockRecord
	appends []lockAppend
	ids     []lockID
	locks   []lock
	bytes   []byte // names and ids
	firstOf int32  // the first record
	lastOf  int32  // the last record
	plain   int    // records without lock headers
	size    int    // bytes of the batch

	mentions bool // a record has a lock header, be it right or wrong
	carried  bool // nothing of it is judged

	transactional bool                // it belongs to a transaction
	producer      protocol.ProducerID // of that

	maxBasis protocol.Offset // over all records

	drop       []bool   // scratch of Repeats: by record
	before     []uint64 // scratch of Admit: by lock, what its value was
	absent     []int32  // scratch of Admit: places of the locks that are not in the table
	prefetched uint64   // scratch of Locks: keeps its reads from being optimized away

	// Scratch of Prepare.
	headers protocol.LockRequest
	content hasher
	hashing bool // the last of appends has a lock-id and may grow
	links   links
	linked  bool // lock.earlier is set
}

// lockRecord is one record that has lock headers.
type lockRecord struct {
	index    int32
	append   int32           // place in appends
	locks    int32           // where its locks start; they end where the next record's start
	maxBasis protocol.Offset // the highest that it claims
}

// lockAppend is what is judged as one: a record, or neighbours with one lock-id.
type lockAppend struct {
	first, last int32 // records
	id          int32 // place in ids; -1 for none
	out         bool  // scratch of judging: it is not to be written, since it was appended before or is refused
}

// lockID is the lock-id of one append.
type lockID struct {
	hash    hash
	content digest
	at      uint32 // in Request.bytes
	n       uint8
	append  int32 // place in appends
	twin    int32 // the latest of ids before it that is the same; -1 for none
}

// lock is one item of a list.
type lock struct {
	hash    hash // of the decoded name; nothing for "*"
	basis   protocol.Offset
	at      uint32 // the raw name in Request.bytes; a decoded one that differs is behind it
	raw     uint16 // bytes of the raw name
	decoded uint8  // bytes of a decoded name that differs
	flags   lockFlags
	record  int32 // index in the batch
	append  int32 // place in appends
	earlier int32 // place of the latest lock before this append that marks the same; -1 for none, and until linkLocks
}

type lockFlags uint8

const (
	judged lockFlags = 1 << iota
	marks
	all // "*"
)

func (l *lock) is(f lockFlags) bool { return l.flags&f != 0 }

// rawName is the name as the header has it.
func (r *Request) rawName(l *lock) []byte { return r.bytes[l.at : l.at+uint32(l.raw)] }

// name is the decoded name.
func (r *Request) name(l *lock) []byte {
	if l.decoded == 0 {
		return r.rawName(l)
	}
	at := l.at + uint32(l.raw)
	return r.bytes[at : at+uint32(l.decoded)]
}

func (r *Request) id(place int32) []byte {
	if place < 0 {
		return nil
	}
	id := &r.ids[place]
	return r.bytes[id.at : id.at+uint32(id.n)]
}

// keep copies b and returns its place.
func (r *Request) keep(b []byte) uint32 {
	at := len(r.bytes)
	r.bytes = append(r.bytes, b...)
	return uint32(at)
}

// locksOf are the locks of one of r.records.
func (r *Request) locksOf(i int) []lock { return r.locks[r.records[i].locks:r.locksEnd(i)] }

// locksEnd is where the locks of one of r.records end.
func (r *Request) locksEnd(i int) int {
	if i+1 < len(r.records) {
		return int(r.records[i+1].locks)
	}
	return len(r.locks)
}

// Marked goes over the locks that the batch writes, each with its record's index; that
// of the whole partition is "*". A name is good until the next one.
func (r *Request) Marked() iter.Seq2[int32, []byte] {
	return func(yield func(int32, []byte) bool) {
		for i := range r.locks {
			if l := &r.locks[i]; l.is(marks) && !yield(l.record, r.name(l)) {
				return
			}
		}
	}
}

// Count is the number of locks that the batch names.
func (r *Request) Count() int { return len(r.locks) }

// Carried reports whether the batch is of a topic that holds copies: it is to
// be marked, and not judged. A nil request is not.
func (r *Request) Carried() bool { return r != nil && r.carried }

// Appends is the number of appends that have lock headers.
func (r *Request) Appends() int { return len(r.appends) }

// Requests live in a pool. One that has grown beyond what batches commonly
// need is left to the garbage collector.
var requests = sync.Pool{New: func() any { return new(Request) }}

const pooledLocksMax, pooledBytesMax = 1 << 16, 1 << 20

// Release ends the use of the request. A nil request may be released.
func (r *Request) Release() {
	if r == nil || cap(r.locks) > pooledLocksMax || cap(r.bytes) > pooledBytesMax {
		return
	}
	requests.Put(r)
}

func (r *Request) reset(b record.Batch) {
	r.records, r.appends, r.ids, r.locks = r.records[:0], r.appends[:0], r.ids[:0], r.locks[:0]
	r.bytes, r.firstOf, r.lastOf, r.plain, r.size, r.maxBasis = r.bytes[:0], 0, 0, 0, b.Size(), protocol.None
	r.transactional, r.producer = b.Transactional(), b.ProducerID()
	r.hashing, r.mentions, r.carried, r.linked = false, false, false, false
}
