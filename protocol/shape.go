package protocol

import (
	"math"
	"reflect"
)

// shape is the layout of one struct of the wire. Shapes are written down in
// shapes.go, once, and never change.
type shape struct {
	fields []field
	memory int  // bytes of the struct that kmsg decodes it into
	bare   bool // the element of an array of plain values: no tags follow
}

// kind is how a field's bytes are measured.
type kind uint8

const (
	kindFixed  kind = iota // width bytes
	kindString             // length, bytes; kmsg copies them
	kindBytes              // length, bytes; kmsg aliases them
	kindArray              // count, elem of each
	kindStruct             // elem in place
	kindSingle             // one byte, -1 for null, then elem
)

// field is one field of a shape, in the order of the wire.
type field struct {
	name        string // Kafka's, for errors
	kind        kind
	width       int    // kindFixed
	elem        *shape // kindArray, kindStruct, kindSingle
	first, last int16  // the versions that have it; of a tagged one, all that kmsg reads it in
	nullFrom    int16  // the first version in which it may be null
	tag         int64  // untagged, or its tag
}

const (
	never    = math.MaxInt16
	untagged = -1
)

// allows reports whether version v may leave the field null.
func (f *field) allows(v int16) bool { return v >= f.nullFrom }

// in reports whether version v has the field in its fixed place.
func (f *field) in(v int16) bool { return f.tag == untagged && f.first <= v && v <= f.last }

// tagged finds the field of a known tag, or nil.
func (s *shape) tagged(tag uint32) *field {
	for i := range s.fields {
		if f := &s.fields[i]; f.tag == int64(tag) {
			return f
		}
	}
	return nil
}

// The rest of this file is the notation of shapes.go.

// of is the shape of the struct that kmsg decodes into a T.
func of[T any](fields ...field) *shape {
	return &shape{fields: fields, memory: int(reflect.TypeFor[T]().Size())}
}

func versioned(name string, k kind) field {
	return field{name: name, kind: k, last: math.MaxInt16, nullFrom: never, tag: untagged}
}

func fixed(name string, width int) field {
	f := versioned(name, kindFixed)
	f.width = width
	return f
}

func i8(name string) field   { return fixed(name, 1) } // bool too: any byte will do
func i16(name string) field  { return fixed(name, 2) }
func i32(name string) field  { return fixed(name, 4) }
func i64(name string) field  { return fixed(name, 8) }
func f64(name string) field  { return fixed(name, 8) }
func uuid(name string) field { return fixed(name, 16) }
func str(name string) field  { return versioned(name, kindString) }
func blob(name string) field { return versioned(name, kindBytes) }

func array(name string, elem *shape) field {
	f := versioned(name, kindArray)
	f.elem = elem
	return f
}

// i32s and strs are arrays of plain values.
func i32s(name string) field { return plain[int32](name, i32("element")) }
func strs(name string) field { return plain[string](name, str("element")) }

func plain[T any](name string, elem field) field {
	s := of[T](elem)
	s.bare = true
	return array(name, s)
}

// single is a struct that is there or null.
func single(name string, elem *shape) field {
	f := versioned(name, kindSingle)
	f.elem = elem
	return f
}

// inline is a struct that is always there.
func inline(name string, elem *shape) field {
	f := versioned(name, kindStruct)
	f.elem = elem
	return f
}

func (f field) from(v int16) field { f.first = v; return f }
func (f field) to(v int16) field   { f.last = v; return f }
func (f field) nullable() field    { return f.nullableFrom(0) }

func (f field) nullableFrom(v int16) field { f.nullFrom = v; return f }

func (f field) tagAs(tag int64) field { f.tag = tag; return f }
