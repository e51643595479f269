package group

import (
	"encoding/binary"
	"math"
)

// writer builds a record in the layout of format.go.
type writer struct{ b []byte }

func (w *writer) int16(v int16) { w.b = binary.BigEndian.AppendUint16(w.b, uint16(v)) }
func (w *writer) int32(v int32) { w.b = binary.BigEndian.AppendUint32(w.b, uint32(v)) }
func (w *writer) int64(v int64) { w.b = binary.BigEndian.AppendUint64(w.b, uint64(v)) }

// str writes a string. None is longer than an int16: they came off the wire as
// such, and member ids are bounded.
func (w *writer) str(s string) {
	w.int16(int16(len(s)))
	w.b = append(w.b, s...)
}

// nullable writes an absent string as null.
func (w *writer) nullable(s string) {
	if s == "" {
		w.int16(-1)
		return
	}
	w.str(s)
}

func (w *writer) bytes(b []byte) {
	w.int32(int32(len(b)))
	w.b = append(w.b, b...)
}

// reader takes a record apart. Once bad, it yields zeros.
type reader struct {
	rest    []byte
	compact bool // lengths are varints, structs end in tags
	bad     bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.rest) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) int16() int16 {
	if b := r.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (r *reader) int32() int32 {
	if b := r.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (r *reader) int64() int64 {
	if b := r.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (r *reader) uvarint() int {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > math.MaxInt32 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return int(v)
}

// str reads a string; a null is "", where it may be.
func (r *reader) str(nullable bool) string {
	n := 0
	if r.compact {
		n = r.uvarint() - 1
	} else {
		n = int(r.int16())
	}
	if n == -1 && nullable {
		return ""
	}
	return string(r.take(n))
}

// bytes reads bytes of their own.
func (r *reader) bytes() []byte {
	n := 0
	if r.compact {
		n = r.uvarint() - 1
	} else {
		n = int(r.int32())
	}
	return append([]byte{}, r.take(n)...)
}

// count reads the length of an array whose elements take a byte at least.
func (r *reader) count() int {
	n := 0
	if r.compact {
		n = r.uvarint() - 1
	} else {
		n = int(r.int32())
	}
	if n < 0 || n > len(r.rest) {
		r.bad = true
		return 0
	}
	return n
}

// tags skips the tags at the end of a struct.
func (r *reader) tags() {
	if !r.compact {
		return
	}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		r.uvarint()
		r.take(r.uvarint())
	}
}
