package protocol

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// DecodeBytesMax bounds what decoding one proven request may allocate where its
// reader sets no bound of its own, by Prove's own account: the decoded structs,
// strings and tags. The body of a request, records above all, is aliased and not
// counted. A fetch of 80,000 partitions fits.
const DecodeBytesMax = 8 << 20

// ShapeError is a request body that is not what its key and version call for.
type ShapeError struct {
	API     string
	Version int16
	Field   string // Kafka's name of the innermost field; "" for the body as a whole
	Why     string
}

// Error names the request, the field and the reason.
func (e *ShapeError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("malformed %s v%d request: %s", e.API, e.Version, e.Why)
	}
	return fmt.Sprintf("malformed %s v%d request: %s: %s", e.API, e.Version, e.Field, e.Why)
}

// Prove checks that a request's body has the shape that its key and version
// call for: that every length, array count and tag count is covered by the
// bytes that are there, that nothing is null which may not be, and that tags
// rise. It allocates nothing.
//
// No body is handed to kmsg before. kmsg believes a tag count even when the
// bytes have run out, so that a short body can keep a core busy for long; and it
// allocates many times the bytes of a body. What Prove has passed,
// kmsg decodes without an error, in time linear in the body, and allocating
// DecodeBytesMax at most.
//
// Errors: ErrUnknownKey, ErrUnsupportedVersion, *ShapeError.
func Prove(key, version int16, body []byte) error {
	_, err := prove(key, version, body)
	return err
}

// Proven is what Prove has found out about a body.
type Proven struct {
	ValidText bool // all strings are UTF-8; where they are not, MendText is to follow the decoding
	Memory    int  // what decoding allocates at most, in bytes
}

// ProveWithin is Prove with a bound of its own in place of DecodeBytesMax.
func ProveWithin(memoryMax int, key, version int16, body []byte) (Proven, error) {
	p, err := walk(memoryMax, key, version, body)
	return Proven{!p.untidy, p.memory}, err
}

// prove returns what decoding the body allocates at most, besides.
func prove(key, version int16, body []byte) (memory int, err error) {
	p, err := walk(DecodeBytesMax, key, version, body)
	return p.memory, err
}

// walk returns the proof, and in its rest the bytes behind the body's last
// field. They are let pass as Kafka lets them pass: librdkafka 2.16 writes a
// null array of topics as four bytes where Metadata has one (librdkafka #5049).
func walk(memoryMax int, key, version int16, body []byte) (p proof, err error) {
	api, known := Lookup(key)
	switch {
	case !known:
		return p, fmt.Errorf("%w %d", ErrUnknownKey, key)
	case !api.Serves(version):
		return p, fmt.Errorf("%w: %s v%d", ErrUnsupportedVersion, api.Name, version)
	}
	p = proof{rest: body, version: version, flexible: api.Flexible(version), memoryMax: memoryMax}
	p.structure(shapes[key])
	if p.why != "" {
		return proof{}, &ShapeError{api.Name, version, p.at, p.why}
	}
	return p, nil
}

// proof is one walk over one body. Its methods report whether to go on; once
// one has said no, at and why say where and what, and rest means nothing.
type proof struct {
	rest     []byte // what was not walked yet
	version  int16
	flexible bool
	memory   int  // what kmsg allocates for what was walked, rounded up
	untidy   bool // a string is not UTF-8
	at, why  string

	memoryMax int // memory <= memoryMax
}

// refuse ends the walk.
func (p *proof) refuse(f *field, why string) bool {
	if p.why = why; f != nil {
		p.at = f.name
	}
	return false
}

// structure walks a struct, its tags included.
func (p *proof) structure(s *shape) bool {
	for i := range s.fields {
		if f := &s.fields[i]; f.in(p.version) && !p.field(f) {
			return false
		}
	}
	return !p.flexible || s.bare || p.tags(s)
}

func (p *proof) field(f *field) bool {
	switch f.kind {
	case kindFixed:
		return p.skip(f, f.width)
	case kindArray:
		return p.array(f)
	case kindStruct:
		return p.structure(f.elem)
	case kindSingle:
		return p.single(f)
	default:
		return p.text(f)
	}
}

func (p *proof) skip(f *field, n int) bool {
	if n > len(p.rest) {
		return p.refuse(f, "truncated")
	}
	p.rest = p.rest[n:]
	return true
}

// text walks a string or bytes.
func (p *proof) text(f *field) bool {
	n, ok := p.length(f)
	switch {
	case !ok:
		return false
	case n < 0:
		return true
	case f.kind == kindBytes:
		return p.skip(f, n)
	case n > math.MaxInt16:
		return p.refuse(f, "string longer than 32,767 bytes")
	}
	memory := stringMemory + rounded(n)
	if !utf8.Valid(p.rest[:n]) {
		p.untidy = true
		memory += mendMemory * n
	}
	return p.charge(f, memory) && p.skip(f, n)
}

func (p *proof) array(f *field) bool {
	n, ok := p.length(f)
	if !ok || n < 0 {
		return ok
	}
	if !p.charge(f, rounded(n*f.elem.memory)) {
		return false
	}
	for range n {
		if !p.structure(f.elem) {
			return false
		}
	}
	return true
}

// single walks a struct that one byte announces: 1, or -1 for null.
func (p *proof) single(f *field) bool {
	if len(p.rest) == 0 {
		return p.refuse(f, "truncated")
	}
	mark := int8(p.rest[0])
	p.rest = p.rest[1:]
	switch mark {
	case -1:
		return true
	case 1:
		return p.charge(f, rounded(f.elem.memory)) && p.structure(f.elem)
	default:
		return p.refuse(f, "neither there nor null")
	}
}

// length reads the length of a string, bytes or array: -1 for a null that the
// field allows. An element takes a byte at least, so that a count, too, is
// never above the number of bytes left.
func (p *proof) length(f *field) (n int, ok bool) {
	n, ok = p.rawLength(f)
	switch {
	case !ok:
		return 0, p.refuse(f, "truncated or overlong length")
	case n == -1 && !f.allows(p.version):
		return 0, p.refuse(f, "null")
	case n < -1:
		return 0, p.refuse(f, "negative length")
	case n > len(p.rest):
		return 0, p.refuse(f, "length beyond the end")
	}
	return n, true
}

// rawLength reads a length as the field and the version write it.
func (p *proof) rawLength(f *field) (n int, ok bool) {
	switch {
	case p.flexible:
		var u uint32
		u, p.rest, ok = uvarint(p.rest)
		return int(u) - 1, ok
	case f.kind == kindString:
		if len(p.rest) < 2 {
			return 0, false
		}
		n = int(int16(binary.BigEndian.Uint16(p.rest)))
		p.rest = p.rest[2:]
	default:
		if len(p.rest) < 4 {
			return 0, false
		}
		n = int(int32(binary.BigEndian.Uint32(p.rest)))
		p.rest = p.rest[4:]
	}
	return n, true
}

// tags walks a tag section: into the tags that the shape knows, over others.
func (p *proof) tags(s *shape) bool {
	t := tagReader{rest: p.rest}
	for t.begin(); t.next(); {
		if !p.tag(s, t.tag, t.value) {
			return false
		}
	}
	if p.rest = t.rest; t.bad {
		return p.refuse(nil, "truncated or disordered tags")
	}
	return true
}

func (p *proof) tag(s *shape, tag uint32, value []byte) bool {
	f := s.tagged(tag)
	if f == nil {
		return p.charge(nil, tagMemory)
	}
	p.rest = value
	if !p.field(f) {
		return false
	}
	if len(p.rest) > 0 {
		return p.refuse(f, "bytes left over in its tag")
	}
	return true
}

// What kmsg and Go's allocator spend, rounded up. A tag that kmsg does not
// know becomes an entry of a map, and the first of a struct its map.
const (
	stringMemory = 16 // the header of a nullable string
	tagMemory    = 400
	mendMemory   = 4 // a byte of a string that MendText makes anew, at most, beyond its own
)

// rounded is n and what a size class may add to it.
func rounded(n int) int { return n + n/4 + 16 }

func (p *proof) charge(f *field, memory int) bool {
	if p.memory += memory; p.memory > p.memoryMax {
		return p.refuse(f, fmt.Sprintf("too many elements: decoding would take more than %d MiB", p.memoryMax>>20))
	}
	return true
}
