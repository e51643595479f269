package group

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// writer builds a record in the layout of format.go. compact is Kafka's later
// layout: lengths are varints that count from one, and zero is null.
type writer struct {
	b       []byte
	compact bool
}

func (w *writer) uvarint(n int) { w.b = binary.AppendUvarint(w.b, uint64(n)) }

// count writes the length of an array.
func (w *writer) count(n int) {
	if w.compact {
		w.uvarint(n + 1)
	} else {
		w.int32(int32(n))
	}
}

// noTags ends a struct.
func (w *writer) noTags() { w.uvarint(0) }

// strs writes an array of strings.
func (w *writer) strs(all []string) {
	w.count(len(all))
	for _, s := range all {
		w.str(s)
	}
}

// int32s writes an array of numbers.
func (w *writer) int32s(all []int32) {
	w.count(len(all))
	for _, v := range all {
		w.int32(v)
	}
}

func (w *writer) int16(v int16) { w.b = binary.BigEndian.AppendUint16(w.b, uint16(v)) }
func (w *writer) int32(v int32) { w.b = binary.BigEndian.AppendUint32(w.b, uint32(v)) }
func (w *writer) int64(v int64) { w.b = binary.BigEndian.AppendUint64(w.b, uint64(v)) }

// str writes a string. None is longer than an int16: they came off the wire as
// such, and member ids are bounded.
func (w *writer) str(s string) {
	if w.compact {
		w.uvarint(len(s) + 1)
		w.b = append(w.b, s...)
		return
	}
	w.int16(int16(len(s)))
	w.b = append(w.b, s...)
}

// nullable writes an absent string as null.
func (w *writer) nullable(s string) {
	switch {
	case s == "" && w.compact:
		w.uvarint(0)
		return
	case s == "":
		w.int16(-1)
		return
	}
	w.str(s)
}

func (w *writer) bytes(b []byte) {
	w.count(len(b))
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

func (r *reader) int8() int8 {
	if b := r.take(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (r *reader) uuid() (id [16]byte) {
	copy(id[:], r.take(len(id)))
	return id
}

func (r *reader) strs() (all []string) {
	for range r.count() {
		all = append(all, r.str(false))
	}
	return all
}

func (r *reader) int32s() (all []int32) {
	for range r.count() {
		all = append(all, r.int32())
	}
	return all
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
	return valid(string(r.take(n)))
}

// valid is s with U+FFFD for what is not UTF-8: earlier versions wrote names as
// clients gave them.
func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
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
	if r.compact {
		r.tagged(nil)
	}
}

// tagged reads the tags at the end of a struct: f gets each and its bytes.
func (r *reader) tagged(f func(tag int, in *reader)) {
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		tag := r.uvarint()
		in := reader{rest: r.take(r.uvarint()), compact: true}
		if f != nil && !r.bad {
			f(tag, &in)
			r.bad = r.bad || in.bad
		}
	}
}
