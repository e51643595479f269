package protocol

import "strconv"

// RefusalKind is the first word of a refusal.
type RefusalKind uint8

const (
	// RefusalConflict: a lock was written after its basis.
	RefusalConflict RefusalKind = iota + 1
	// RefusalUnknown: the basis is older than the lock history kept.
	RefusalUnknown
	// RefusalDuplicate: the lock-id was used before with other content.
	RefusalDuplicate
	// RefusalMalformed: the lock headers break the grammar or the topic's policy.
	RefusalMalformed
	// RefusalHeld: an open transaction holds the lock, or has the lock-id.
	RefusalHeld
)

var refusalWords = [...]string{
	RefusalConflict:  "CONFLICT",
	RefusalUnknown:   "UNKNOWN",
	RefusalDuplicate: "DUPLICATE",
	RefusalMalformed: "MALFORMED",
	RefusalHeld:      "HELD",
}

// String is the word itself.
func (k RefusalKind) String() string {
	if k == 0 || int(k) >= len(refusalWords) {
		return "RefusalKind(" + strconv.Itoa(int(k)) + ")"
	}
	return refusalWords[k]
}

// Refusal is one refused append, as it is told to its writer. Its text has two
// parts: up to the colon it is stable and ParseRefusal reads it; after the
// colon it is for people.
//
//	CONFLICT   lock last basis by record   read on to last, decide again
//	UNKNOWN    lock last basis by record   read on to the end, decide again
//	DUPLICATE  id last record              another append has this lock-id
//	HELD       lock since by record        wait until that transaction has ended, read on, decide again
//	HELD       id since record             wait until that transaction has ended, try again
//	MALFORMED  record                      the writer's program is wrong
type Refusal struct {
	Kind   RefusalKind
	Record int32 // the refused record's index in its batch

	Lock  string // Conflict, Unknown, Held: as the header has it; "*" is the whole partition
	Basis Offset // Conflict, Unknown
	By    string // Conflict, Held: lock-id of the winner; "" prints as "-"

	ID string // Duplicate, and Held if Lock is empty: the lock-id

	// Last is the winner's offset; of a Duplicate, the first append's; of a Held, that
	// of the record which holds. With
	// LastInBatch that one is a record of the same batch, EarlierRecord, and
	// has no offset yet.
	Last          Offset
	LastInBatch   bool
	EarlierRecord int32 // not read by ParseRefusal

	HistoryStart Offset // Unknown: from here on every lock is known; not read by ParseRefusal
	LogStart     Offset // Conflict, Unknown: what can still be read begins here; not read by ParseRefusal

	Text string // Malformed: what follows the colon
}

// Error makes a refusal an error; its text is Message.
func (r *Refusal) Error() string { return r.Message() }

// Message is the refusal to the letter of the public contract.
func (r *Refusal) Message() string {
	b := r.appendHead(make([]byte, 0, 192))
	b = append(b, ": "...)
	return string(r.appendReason(b))
}

// appendHead writes what stands before the colon.
func (r *Refusal) appendHead(b []byte) []byte {
	b = append(b, r.Kind.String()...)
	switch r.Kind {
	case RefusalConflict, RefusalUnknown:
		b = append(append(b, " lock="...), r.Lock...)
		b = r.appendLast(b)
		b = append(append(b, " basis="...), r.Basis.String()...)
		b = append(append(b, " by="...), orDash(r.By)...)
	case RefusalDuplicate:
		b = append(append(b, " id="...), r.ID...)
		b = r.appendLast(b)
	case RefusalHeld:
		b = r.appendHeldHead(b)
	}
	return strconv.AppendInt(append(b, " record="...), int64(r.Record), 10)
}

func (r *Refusal) appendHeldHead(b []byte) []byte {
	if r.Lock == "" {
		b = append(append(b, " id="...), r.ID...)
		return append(append(b, " since="...), r.Last.String()...)
	}
	b = append(append(b, " lock="...), r.Lock...)
	b = append(append(b, " since="...), r.Last.String()...)
	return append(append(b, " by="...), orDash(r.By)...)
}

// appendLast writes "?" for an offset that does not exist yet or is not known.
func (r *Refusal) appendLast(b []byte) []byte {
	b = append(b, " last="...)
	if r.LastInBatch || r.Kind == RefusalUnknown {
		return append(b, '?')
	}
	return append(b, r.Last.String()...)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// appendReason writes what stands after the colon.
func (r *Refusal) appendReason(b []byte) []byte {
	switch r.Kind {
	case RefusalConflict:
		return r.appendConflict(b)
	case RefusalUnknown:
		b = append(append(b, "basis "...), r.Basis.String()...)
		b = append(b, " is older than the lock history kept here, which starts at "...)
		b = append(b, r.HistoryStart.String()...)
		b = append(b, "; read up to the end and try again"...)
		if r.LogStart >= r.HistoryStart && r.LogStart > r.Basis+1 {
			b = r.appendEmptied(b)
		}
		return b
	case RefusalDuplicate:
		return r.appendDuplicate(b)
	case RefusalHeld:
		return r.appendHeld(b)
	default:
		return append(b, r.Text...)
	}
}

func (r *Refusal) appendConflict(b []byte) []byte {
	whole, gone := r.Lock == "*", !r.LastInBatch && r.Last < r.LogStart
	switch {
	case whole && gone:
		b = append(b, "the partition had "...)
	case whole:
		b = append(b, "the partition has "...)
	default:
		b = strconv.AppendQuote(append(b, "lock "...), r.Lock)
	}
	if r.LastInBatch {
		if !whole {
			b = append(b, " is written by "...)
		}
		b = r.appendEarlier(b)
		return append(b, "; send them one after the other"...)
	}
	if !whole {
		b = append(b, " was written at "...)
	}
	last := r.Last.String()
	b = append(append(b, "offset "...), last...)
	b = append(append(b, ", after your basis "...), r.Basis.String()...)
	if gone {
		b = append(append(b, "; that record is gone, since the log starts at "...), r.LogStart.String()...)
		b = append(b, " by now: read on from there and try again"...)
		return r.appendEmptied(b)
	}
	b = append(append(b, "; read up to offset "...), last...)
	return append(b, " and try again"...)
}

// appendEmptied names the basis of a writer that has nothing left to read.
func (r *Refusal) appendEmptied(b []byte) []byte {
	return append(append(b, "; if nothing is left to read, with basis "...), (r.LogStart - 1).String()...)
}

func (r *Refusal) appendDuplicate(b []byte) []byte {
	b = strconv.AppendQuote(b, r.ID)
	if r.LastInBatch {
		b = r.appendEarlier(append(b, " is appended by "...))
	} else {
		b = append(append(b, " was appended at offset "...), r.Last.String()...)
	}
	return append(b, " with other content"...)
}

func (r *Refusal) appendHeld(b []byte) []byte {
	since := r.Last.String()
	switch r.Lock {
	case "":
		b = append(strconv.AppendQuote(b, r.ID), " stands at offset "...)
		b = append(append(b, since...), " in"...)
	case "*":
		b = append(append(b, "the partition has offset "...), since...)
		b = append(b, " in"...)
	default:
		b = strconv.AppendQuote(append(b, "lock "...), r.Lock)
		b = append(append(b, " is held since offset "...), since...)
		b = append(b, " by"...)
	}
	return append(b, " a transaction that is still open; try again when it has ended"...)
}

func (r *Refusal) appendEarlier(b []byte) []byte {
	b = strconv.AppendInt(append(b, "record "...), int64(r.EarlierRecord), 10)
	return append(b, " of the same batch"...)
}
