package record

// Walker steps over proven records. It is a value that lives on its user's
// stack and allocates nothing:
//
//	for w := records.Walk(); w.Next(); {
//		use(w.OffsetDelta, w.Key, w.Value)
//	}
//
// The exported fields are the current record's and may be read only after a
// Next that returned true. All slices alias the records.
type Walker struct {
	Index          int32  // place among the records that are in the batch, from 0
	OffsetDelta    int32  // offset minus the batch's base offset
	TimestampDelta int64  // time minus the batch's first timestamp, in ms
	Key, Value     []byte // nil is null; empty is empty
	Raw            []byte // the whole record, its length included
	HeaderCount    int

	headers []byte // the bytes of HeaderCount headers
	rest    []byte // the records behind the current one
	left    int32  // how many those are
	walked  int32  // how many came before them
}

// Next steps to the next record, and reports whether there is one.
func (w *Walker) Next() bool {
	if w.left == 0 {
		return false
	}
	size, i := varint(w.rest, 0)
	end := i + size
	rec := w.rest[:end:end]
	w.Raw, w.rest = rec, w.rest[end:]
	w.left--
	w.Index = w.walked
	w.walked++

	var n int
	w.TimestampDelta, i = varlong(rec, i+1)
	n, i = varint(rec, i)
	w.OffsetDelta = int32(n)
	w.Key, i = nullable(rec, i)
	w.Value, i = nullable(rec, i)
	w.HeaderCount, i = varint(rec, i)
	w.headers = rec[i:]
	return true
}

// Headers are the current record's headers, from the first.
func (w *Walker) Headers() Headers { return Headers{rest: w.headers} }

// Headers steps over the headers of one record, in their order, repeats
// included. Like a Walker it is a value and allocates nothing.
type Headers struct {
	rest []byte
}

// Next yields the next header. A null value is nil, an empty one is empty.
func (h *Headers) Next() (key, value []byte, ok bool) {
	if len(h.rest) == 0 {
		return nil, nil, false
	}
	key, i := nullable(h.rest, 0)
	value, i = nullable(h.rest, i)
	h.rest = h.rest[i:]
	return key, value, true
}

// nullable cuts proven bytes with their length in front.
func nullable(b []byte, i int) ([]byte, int) {
	n, i := varint(b, i)
	if n < 0 {
		return nil, i
	}
	return b[i : i+n : i+n], i + n
}
