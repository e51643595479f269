package conflict

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// plainHeaders are the lock headers of a record as long as they hold nothing
// odd: each at most once, and no lock-id.
type plainHeaders struct {
	lists [len(flagsOf)]plainList
	n     int
	seen  lockFlags // kinds of lists, by their flags, as bits
	basis []byte
}

type plainList struct {
	flags lockFlags
	items []byte
}

// readPlain takes a record whose lock headers are as nearly all are, in half
// the time: without LockItems, and with one copy a list. What is odd about a
// record, be it right or wrong, it leaves to readHeaders, and answers false.
func (r *Request) readPlain(w *record.Walker) bool {
	var h plainHeaders
	if w.HeaderCount == 0 || !h.gather(w.Headers()) || h.n == 0 {
		return false
	}
	basis, has := protocol.None, h.basis != nil
	if has {
		var ok bool
		if basis, ok = protocol.ScanBasis(h.basis); !ok {
			return false
		}
	}
	locks, bytes := len(r.locks), len(r.bytes)
	rec := lockRecord{index: w.OffsetDelta, append: int32(len(r.appends)), locks: int32(locks), maxBasis: basis}
	for i := range h.lists[:h.n] {
		if !r.addList(&h.lists[i], &rec, basis, has) {
			r.locks, r.bytes = r.locks[:locks], r.bytes[:bytes]
			return false
		}
	}
	if n := len(r.locks); n-locks > protocol.LocksPerRecordMax || n > locksPerBatchMax {
		r.locks, r.bytes = r.locks[:locks], r.bytes[:bytes]
		return false
	}
	r.endAppend()
	r.appends = append(r.appends, lockAppend{first: w.OffsetDelta, last: w.OffsetDelta, id: -1})
	r.records = append(r.records, rec)
	r.maxBasis, r.lastOf = max(r.maxBasis, rec.maxBasis), w.OffsetDelta
	return true
}

// gather sorts a record's headers, and reports whether all is plain.
func (h *plainHeaders) gather(headers record.Headers) bool {
	for {
		key, value, ok := headers.Next()
		switch {
		case !ok:
			return true
		case !isLockHeader(key):
			continue
		case len(value) == 0:
			return false
		}
		var flags lockFlags
		switch string(key) {
		case protocol.HeaderLockWrite:
			flags = flagsOf[protocol.LockWrite]
		case protocol.HeaderLockRead:
			flags = flagsOf[protocol.LockRead]
		case protocol.HeaderLockAppend:
			flags = flagsOf[protocol.LockAppend]
		case protocol.HeaderLockBasis:
			if h.basis != nil {
				return false
			}
			h.basis = value
			continue
		default:
			return false
		}
		if h.seen&(1<<flags) != 0 {
			return false
		}
		h.seen |= 1 << flags
		h.lists[h.n] = plainList{flags, value}
		h.n++
	}
}

// addList takes the locks of one list.
func (r *Request) addList(l *plainList, rec *lockRecord, basis protocol.Offset, has bool) bool {
	list, start := l.items, r.keep(l.items)
	for at := 0; at < len(list); {
		name, end, own, ok := protocol.ScanLock(list, at)
		if !ok {
			return false
		}
		if name == end {
			if own = basis; !has && l.flags&judged != 0 {
				return false
			}
		} else {
			rec.maxBasis = max(rec.maxBasis, own)
		}
		r.locks = append(r.locks, lock{
			basis: own, at: start + uint32(at), raw: uint16(name - at), flags: l.flags,
			record: rec.index, append: rec.append, earlier: -1,
		})
		added := &r.locks[len(r.locks)-1]
		if name-at == 1 && list[at] == '*' {
			added.flags |= all
		} else {
			added.hash = hashOf(list[at:name])
		}
		if at = end; at == len(list) {
			return true
		}
		for at < len(list) && list[at] == ' ' {
			at++
		}
	}
	return false // a space at the end, or nothing at all
}
