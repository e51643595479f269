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

// plainness is what readPlain finds a record to be.
type plainness uint8

const (
	isOdd    plainness = iota // right or wrong, readRecord knows
	isPlain                   // and taken
	isMisfit                  // its headers do not fit its length
)

// readPlain takes a record whose lock headers are as nearly all are, or that
// has none, in half the time: without LockItems, and with one copy a list. Of
// an odd one it takes nothing.
func (r *Request) readPlain(w *record.Walker, pol Policy) plainness {
	var h plainHeaders
	if found := h.gather(w); found != isPlain {
		return found
	}
	if h.n == 0 {
		if h.basis != nil || pol == Required {
			return isOdd
		}
		r.addPlain(w)
		return isPlain
	}
	basis, has := protocol.None, h.basis != nil
	if has {
		var ok bool
		if basis, ok = protocol.ScanBasis(h.basis); !ok {
			return isOdd
		}
	}
	locks, bytes := len(r.locks), len(r.bytes)
	rec := lockRecord{index: w.OffsetDelta, append: int32(len(r.appends)), locks: int32(locks), maxBasis: basis}
	for i := range h.lists[:h.n] {
		if !r.addList(&h.lists[i], &rec, basis, has) {
			r.locks, r.bytes = r.locks[:locks], r.bytes[:bytes]
			return isOdd
		}
	}
	if n := len(r.locks); n-locks > protocol.LocksPerRecordMax || n > locksPerBatchMax {
		r.locks, r.bytes = r.locks[:locks], r.bytes[:bytes]
		return isOdd
	}
	r.endAppend()
	r.appends = append(r.appends, lockAppend{first: w.OffsetDelta, last: w.OffsetDelta, id: -1})
	r.records = append(r.records, rec)
	r.maxBasis, r.lastOf, r.mentions = max(r.maxBasis, rec.maxBasis), w.OffsetDelta, true
	return isPlain
}

// gather sorts a record's headers.
func (h *plainHeaders) gather(w *record.Walker) plainness {
	headers := w.Headers()
	for range w.HeaderCount {
		key, value, ok := headers.Next()
		switch {
		case !ok:
			return isMisfit
		case !isLockHeader(key):
			continue
		case !h.addHeader(key, value):
			return isOdd
		}
	}
	if !headers.Done() {
		return isMisfit
	}
	return isPlain
}

// addHeader takes a lock header, unless it is odd.
func (h *plainHeaders) addHeader(key, value []byte) bool {
	var flags lockFlags
	switch string(key) {
	case protocol.HeaderLockWrite:
		flags = flagsOf[protocol.LockWrite]
	case protocol.HeaderLockRead:
		flags = flagsOf[protocol.LockRead]
	case protocol.HeaderLockAppend:
		flags = flagsOf[protocol.LockAppend]
	case protocol.HeaderLockBasis:
		first := h.basis == nil
		h.basis = value
		return first && len(value) > 0
	default:
		return false
	}
	if len(value) == 0 || h.seen&(1<<flags) != 0 {
		return false
	}
	h.seen |= 1 << flags
	h.lists[h.n] = plainList{flags, value}
	h.n++
	return true
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
			if r.transactional && l.flags&judged != 0 {
				return false
			}
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
