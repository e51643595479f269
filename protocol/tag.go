package protocol

import "encoding/binary"

// tagReader walks a tag section (KIP-482): a count, then tag, size and value
// of each, in rising order of tags. A count that the bytes left cannot hold
// (a tag takes two at least) is bad at once.
//
//	t := tagReader{rest: b}
//	for t.begin(); t.next(); { use t.tag, t.value }
//	if t.bad { ... }             // else t.rest is what follows the section
type tagReader struct {
	rest  []byte
	tag   uint32
	value []byte
	bad   bool

	left uint32 // tags still to come
	min  int64  // the least tag that may come next
}

func (t *tagReader) begin() {
	t.left = t.uvarint()
	if t.bad = t.bad || int64(t.left) > int64(len(t.rest)/2); t.bad {
		t.left = 0
	}
}

func (t *tagReader) next() bool {
	if t.left == 0 || t.bad {
		return false
	}
	t.left--
	t.tag = t.uvarint()
	size := int64(t.uvarint())
	if t.bad = t.bad || int64(t.tag) < t.min || size > int64(len(t.rest)); t.bad {
		return false
	}
	t.min = int64(t.tag) + 1
	t.value, t.rest = t.rest[:size:size], t.rest[size:]
	return true
}

func (t *tagReader) uvarint() uint32 {
	v, rest, ok := uvarint(t.rest)
	t.rest, t.bad = rest, t.bad || !ok
	return v
}

// skipTags walks over a tag section and returns what follows it.
func skipTags(b []byte) (rest []byte, ok bool) {
	t := tagReader{rest: b}
	for t.begin(); t.next(); {
		continue
	}
	return t.rest, !t.bad
}

// uvarint reads an unsigned varint of up to 32 bits.
func uvarint(b []byte) (v uint32, rest []byte, ok bool) {
	if len(b) > 0 && b[0] < 0x80 { // nearly every one
		return uint32(b[0]), b[1:], true
	}
	n, size := binary.Uvarint(b)
	if size <= 0 || size > 5 || n > 1<<32-1 {
		return 0, nil, false
	}
	return uint32(n), b[size:], true
}
