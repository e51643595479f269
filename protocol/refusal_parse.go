package protocol

import (
	"strconv"
	"strings"
)

// ParseRefusal reads a refusal's text back: all that stands before the colon,
// and for a malformed request the text after it. It reports false for
// anything that Message does not write.
//
// Locks and ids may hold "=" and ":", but never a space. So the fields are
// told apart by spaces and by their order, and the colon is the one behind
// the digits of record=, the last field.
func ParseRefusal(msg string) (Refusal, bool) {
	p := refusalParser{rest: msg}
	r := Refusal{Kind: p.kind(), Basis: None, Last: None}
	switch r.Kind {
	case RefusalConflict, RefusalUnknown:
		r.Lock = p.field("lock=")
		r.Last, r.LastInBatch = p.last(r.Kind)
		r.Basis = p.basis()
		if r.By = p.field("by="); r.By == "-" {
			r.By = ""
		}
	case RefusalDuplicate:
		r.ID = p.field("id=")
		r.Last, r.LastInBatch = p.last(r.Kind)
	case RefusalHeld:
		p.held(&r)
	}
	r.Record = p.record()
	if r.Kind == RefusalMalformed {
		r.Text = p.rest
	}
	if p.bad {
		return Refusal{}, false
	}
	return r, true
}

// refusalParser takes a text from the left; bad is set for good at the first
// thing that does not fit.
type refusalParser struct {
	rest string
	bad  bool
}

// kind reads the first word; 0 is none.
func (p *refusalParser) kind() RefusalKind {
	word, _, _ := strings.Cut(p.rest, " ")
	for k := RefusalConflict; k <= RefusalHeld; k++ {
		if word == k.String() {
			p.rest = p.rest[len(word):]
			return k
		}
	}
	p.bad = true
	return 0
}

// field reads " NAME=value" up to the next space.
func (p *refusalParser) field(name string) string {
	rest, ok := strings.CutPrefix(p.rest, " "+name)
	end := strings.IndexByte(rest, ' ')
	if !ok || end <= 0 {
		p.bad = true
		return ""
	}
	p.rest = rest[end:]
	return rest[:end]
}

// held reads what is held, and since when.
func (p *refusalParser) held(r *Refusal) {
	if strings.HasPrefix(p.rest, " id=") {
		r.ID = p.field("id=")
		r.Last = Offset(p.number(p.field("since="), 64))
		return
	}
	r.Lock = p.field("lock=")
	r.Last = Offset(p.number(p.field("since="), 64))
	if r.By = p.field("by="); r.By == "-" {
		r.By = ""
	}
}

// last reads the winner's offset. Of the kinds that have one, only a basis
// beyond the kept history leaves it unknown; elsewhere "?" is a record of the
// same batch.
func (p *refusalParser) last(kind RefusalKind) (_ Offset, inBatch bool) {
	value := p.field("last=")
	if value == "?" {
		return None, kind != RefusalUnknown
	}
	if kind == RefusalUnknown {
		p.bad = true
	}
	return Offset(p.number(value, 64)), false
}

func (p *refusalParser) basis() Offset {
	value := p.field("basis=")
	if value == "none" {
		return None
	}
	return Offset(p.number(value, 64))
}

// record reads the last field and the colon, and leaves what follows.
func (p *refusalParser) record() int32 {
	rest, ok := strings.CutPrefix(p.rest, " record=")
	digits, reason, found := strings.Cut(rest, ": ")
	if !ok || !found {
		p.bad = true
		return 0
	}
	p.rest = reason
	return int32(p.number(digits, 32))
}

// number reads a number in the one form that Message writes.
func (p *refusalParser) number(digits string, bits int) int64 {
	n, err := strconv.ParseInt(digits, 10, bits)
	if err != nil || n < 0 || strconv.FormatInt(n, 10) != digits {
		p.bad = true
		return -1
	}
	return n
}
