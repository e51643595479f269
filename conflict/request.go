package conflict

import (
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
	locks   []lock
	bytes   []byte // names and ids
	lastOf  int32  // the last record
	plain   int    // records without lock headers
	size    int    // bytes of the batch

	maxBasis protocol.Offset // over all records

	drop    []bool // scratch of Repeats: by record
	touched uint64 // scratch of Locks: keeps its reads from being optimized away

	// Scratch of Prepare.
	headers protocol.LockRequest
	content hasher
	hashing bool // the last of appends has a lock-id and may grow
	links   links
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
	id          span  // empty: none
	idHash      hash
	content     digest
	twin        int32 // the latest append before it with the same id; -1 for none
	repeat      bool  // scratch of Repeats: it was appended before
}

// lock is one item of a list.
type lock struct {
	hash      hash
	basis     protocol.Offset
	name, raw span
	record    int32 // index in the batch
	append    int32 // place in appends
	earlier   int32 // place of the latest lock before this append that marks the same; -1 for none
	judged    bool
	marks     bool
	all       bool // "*"
}

// span is a piece of Request.bytes.
type span struct{ at, n uint32 }

func (r *Request) text(s span) []byte { return r.bytes[s.at : s.at+s.n : s.at+s.n] }

func (r *Request) keep(b []byte) span {
	s := span{uint32(len(r.bytes)), uint32(len(b))}
	r.bytes = append(r.bytes, b...)
	return s
}

// locksOf are the locks of one of r.records.
func (r *Request) locksOf(i int) []lock {
	end := len(r.locks)
	if i+1 < len(r.records) {
		end = int(r.records[i+1].locks)
	}
	return r.locks[r.records[i].locks:end]
}

// Count is the number of locks that the batch names.
func (r *Request) Count() int { return len(r.locks) }

// Appends is the number of appends that have lock headers.
func (r *Request) Appends() int { return len(r.appends) }

// Requests live in a pool. One that has grown beyond what batches commonly
// need is left to the garbage collector.
var requests = sync.Pool{New: func() any { return new(Request) }}

const pooledLocksMax, pooledBytesMax = 1 << 14, 1 << 20

// Release ends the use of the request. A nil request may be released.
func (r *Request) Release() {
	if r == nil || cap(r.locks) > pooledLocksMax || cap(r.bytes) > pooledBytesMax {
		return
	}
	requests.Put(r)
}

func (r *Request) reset(b record.Batch) {
	r.records, r.appends, r.locks = r.records[:0], r.appends[:0], r.locks[:0]
	r.bytes, r.lastOf, r.plain, r.size, r.maxBasis = r.bytes[:0], 0, 0, b.Size(), protocol.None
	r.hashing = false
}
