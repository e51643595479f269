package protocol

import (
	"bytes"
	"math"
)

// The record headers of a lock request. Keys are case-sensitive, and every
// other key that begins with LockPrefix is refused.
const (
	LockPrefix = "lock-"

	HeaderLockWrite  = "lock-write"
	HeaderLockRead   = "lock-read"
	HeaderLockAppend = "lock-append"
	HeaderLockBasis  = "lock-basis"
	HeaderLockID     = "lock-id"
)

// Limits of a lock request.
const (
	LocksPerRecordMax = 1024
	LockNameBytesMax  = 255 // after %XX is decoded
	LockIDBytesMax    = 64
)

// LockKind says what a lock asks of its record.
type LockKind uint8

const (
	// LockWrite is judged, and marked with the record's offset.
	LockWrite LockKind = iota
	// LockRead is judged and leaves no mark.
	LockRead
	// LockAppend is marked and not judged.
	LockAppend
)

// String is the header that carries locks of this kind.
func (k LockKind) String() string {
	switch k {
	case LockWrite:
		return HeaderLockWrite
	case LockRead:
		return HeaderLockRead
	default:
		return HeaderLockAppend
	}
}

// Judged reports whether such a lock can be refused.
func (k LockKind) Judged() bool { return k != LockAppend }

// Marks reports whether such a lock is marked with its record's offset.
func (k LockKind) Marks() bool { return k != LockRead }

// LockItem is one lock of a record. Two items are the same lock when both
// are All, or when neither is and their Names are equal: "%41" is "A", and
// "%2A" is an ordinary lock whose name happens to be an asterisk.
type LockItem struct {
	Kind  LockKind
	All   bool   // a bare "*": the whole partition
	Own   bool   // the basis was given with the item, not by lock-basis
	Raw   []byte // the name as the header has it
	Name  []byte // the decoded name; Raw itself unless Raw holds %XX
	Basis Offset // None for a LockAppend without a basis
}

// LockRequest is what the lock headers of one record ask. It is filled by one
// call of Header a header and then one of Finish, and used again after Reset;
// the zero value is ready. One goroutine owns it. Raw, Name and ID alias the header bytes, or the
// request's own scratch, and are good until either is used again.
//
// After an error the request is worth nothing until Reset.
type LockRequest struct {
	ID       []byte // lock-id; nil when there is none
	Items    []LockItem
	Basis    Offset // lock-basis; without a meaning unless HasBasis
	HasBasis bool

	seen    headerSet
	scratch []byte // decoded names
}

// headerSet is the lock headers that a record has shown, a bit each.
type headerSet uint8

const (
	sawWrite headerSet = 1 << iota
	sawRead
	sawAppend
	sawBasis
	sawID
)

// Reset empties the request and keeps its memory.
func (q *LockRequest) Reset() {
	*q = LockRequest{Items: q.Items[:0], scratch: q.scratch[:0]}
}

// Empty reports whether no lock header was seen.
func (q *LockRequest) Empty() bool { return q.seen == 0 }

// Header takes one record header. A nil value is Kafka's null. Headers
// without LockPrefix are nobody's business here. Errors are *Malformed.
func (q *LockRequest) Header(key, value []byte) error {
	if len(key) < len(LockPrefix) || key[0] != 'l' || string(key[:len(LockPrefix)]) != LockPrefix {
		return nil
	}
	switch string(key) {
	case HeaderLockWrite:
		return q.list(sawWrite, LockWrite, value)
	case HeaderLockRead:
		return q.list(sawRead, LockRead, value)
	case HeaderLockAppend:
		return q.list(sawAppend, LockAppend, value)
	case HeaderLockBasis:
		return q.basis(value)
	case HeaderLockID:
		return q.id(value)
	default:
		return unknownHeader(key)
	}
}

// Carried takes one record header as Header does, of a record whose topic holds
// copies: nobody has judged it, so its bases mean nothing here, and whatever is
// not well-formed is let pass. Every list that is well-formed by itself counts,
// and the first lock-id. Finish is not called.
func (q *LockRequest) Carried(key, value []byte) {
	items, id := len(q.Items), q.ID
	q.seen = 0 // a list that is repeated counts as well
	err := q.Header(key, value)
	if err != nil {
		q.Items = q.Items[:items]
	}
	if err != nil || id != nil {
		q.ID = id
	}
}

// Finish gives every lock its basis. Only now is the whole record known.
func (q *LockRequest) Finish() error {
	for i := range q.Items {
		item := &q.Items[i]
		if item.Own {
			continue
		}
		if !q.HasBasis && item.Kind.Judged() {
			return mistake("lock %s has no basis; add lock-basis with the offset of the last record you have read, or none",
				quote(item.Raw))
		}
		if q.HasBasis {
			item.Basis = q.Basis
		}
	}
	return nil
}

// MaxBasis is the highest basis that the request claims to have read, used or
// not; None when it claims none.
func (q *LockRequest) MaxBasis() Offset {
	highest := None
	if q.HasBasis {
		highest = q.Basis
	}
	for i := range q.Items {
		if q.Items[i].Own {
			highest = max(highest, q.Items[i].Basis)
		}
	}
	return highest
}

// see notes a header and refuses its repetition, a null and an empty value:
// no lock header has a meaning for them.
func (q *LockRequest) see(bit headerSet, key string, value []byte) error {
	switch {
	case q.seen&bit != 0:
		return malformed("header %q is repeated; a record has one of a kind", key)
	case value == nil:
		return malformed("header %q is null", key)
	case len(value) == 0:
		return malformed("header %q is empty", key)
	}
	q.seen |= bit
	return nil
}

func (q *LockRequest) list(bit headerSet, kind LockKind, value []byte) error {
	if err := q.see(bit, kind.String(), value); err != nil {
		return err
	}
	if value[0] == ' ' || value[len(value)-1] == ' ' {
		return malformed("header %q begins or ends with a space; spaces stand between locks", kind)
	}
	for len(value) > 0 {
		end := bytes.IndexByte(value, ' ')
		if end < 0 {
			end = len(value)
		}
		if err := q.item(kind, value[:end:end]); err != nil {
			return err
		}
		for end < len(value) && value[end] == ' ' {
			end++
		}
		value = value[end:]
	}
	return nil
}

func (q *LockRequest) item(kind LockKind, text []byte) error {
	if len(q.Items) == LocksPerRecordMax {
		return malformed("more than 1,024 locks in one record")
	}
	item := LockItem{Kind: kind, Raw: text, Basis: None}
	if at := bytes.IndexByte(text, '@'); at >= 0 {
		basis, err := parseBasis(text[at+1:])
		if err != nil {
			return malformed("basis %s of lock %s %s", quote(err.text), quote(text[:at]), err.why)
		}
		item.Raw, item.Own, item.Basis = text[:at:at], true, basis
	}
	item.All = len(item.Raw) == 1 && item.Raw[0] == '*'
	var err error
	if item.Name, err = q.name(item.Raw); err != nil {
		return err
	}
	q.Items = append(q.Items, item)
	return nil
}

func (q *LockRequest) basis(value []byte) error {
	if err := q.see(sawBasis, HeaderLockBasis, value); err != nil {
		return err
	}
	basis, err := parseBasis(value)
	if err != nil {
		return malformed("lock-basis %s %s", quote(err.text), err.why)
	}
	q.Basis, q.HasBasis = basis, true
	return nil
}

func (q *LockRequest) id(value []byte) error {
	if err := q.see(sawID, HeaderLockID, value); err != nil {
		return err
	}
	q.ID = value[:len(value):len(value)]
	return checkID(value)
}

// badBasis is why a text is no basis; whose it was to be, its callers know.
type badBasis struct {
	text []byte
	why  string
}

const (
	basisDigitsMax = 19
	noBasis        = "is neither an offset of 1 to 19 digits nor none"
	highBasis      = "is above the highest offset, 9223372036854775807"
)

func parseBasis(text []byte) (Offset, *badBasis) {
	if string(text) == "none" {
		return None, nil
	}
	if len(text) == 0 || len(text) > basisDigitsMax {
		return None, &badBasis{text, noBasis}
	}
	var n uint64 // 19 digits fit
	for _, c := range text {
		if c < '0' || c > '9' {
			return None, &badBasis{text, noBasis}
		}
		n = n*10 + uint64(c-'0')
	}
	if n > math.MaxInt64 {
		return None, &badBasis{text, highBasis}
	}
	return Offset(n), nil
}
