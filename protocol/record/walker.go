package record

// Walker steps over records. It is a value that lives on its user's stack and
// allocates nothing:
//
//	w := records.Walk()
//	for w.Next() {
//		use(w.OffsetDelta, w.Key, w.Value)
//	}
//
// Declare it before the loop: a variable of the for statement itself is copied
// for each iteration, which costs as much as the step.
//
// The exported fields are the current record's and may be read only after a
// Next that returned true. All slices alias the records.
//
// A Walker checks every length as it goes, since it is also what proves the
// records when they are opened; behind Open none of the checks can fail.
type Walker struct {
	Index          int32  // place among the records that are in the batch, from 0
	OffsetDelta    int32  // offset minus the batch's base offset
	TimestampDelta int64  // time minus the batch's first timestamp, in ms
	Key, Value     []byte // nil is null; empty is empty
	Raw            []byte // the whole record, its length included
	HeaderCount    int

	headers []byte // the end of Raw: its headers
	payload []byte // all records
	at      int    // where in payload the next record begins
	left    int32  // how many records begin there or behind
	broken  bool   // the record at hand does not fit its own lengths
}

// Next steps to the next record, and reports whether there is one.
//
// It is one long function, and stores what it found at its very end, for speed:
// the slices together, as each store of a pointer asks anew whether the
// collector is at work.
func (w *Walker) Next() bool {
	if w.left == 0 || w.broken {
		return false
	}
	w.broken = true // until the record is found whole
	b, at := w.payload, w.at
	u, i := short(b, at)
	if u >= tooLong {
		u, i = uvarint(b, at, 32)
	}
	// The size bounds all that follows: nothing of the record is looked for behind end.
	size := int(unzigzag(u))
	if i < 0 || size < recordSizeMin-1 || size > len(b)-i {
		return false
	}
	end := i + size

	// Attributes, timestamp delta, offset delta and the key's length, with one check
	// for all: after a number that fails the position stays negative.
	i++
	u, j := short(b, i)
	if u >= tooLong {
		u, j = uvarint(b, i, 64)
	}
	timestampDelta := unzigzag(u)

	u, i = short(b, j)
	if u >= tooLong {
		u, i = uvarint(b, j, 32)
	}
	offsetDelta := int32(unzigzag(u))

	u, j = short(b, i)
	if u >= tooLong {
		u, j = uvarint(b, i, 32)
	}
	// A length of -1 is null, which is not the same as empty.
	n := int(unzigzag(u))
	if j < 0 || n < -1 || n > end-j {
		return false
	}
	var key []byte
	if n >= 0 {
		key = b[j : j+n : j+n]
		j += n
	}

	u, i = short(b, j)
	if u >= tooLong {
		u, i = uvarint(b, j, 32)
	}
	n = int(unzigzag(u))
	if i < 0 || n < -1 || n > end-i {
		return false
	}
	var value []byte
	if n >= 0 {
		value = b[i : i+n : i+n]
		i += n
	}

	u, j = short(b, i)
	if u >= tooLong {
		u, j = uvarint(b, i, 32)
	}
	n = int(unzigzag(u))
	// More headers than fit are refused here, before anyone makes room for so many.
	// The headers themselves are proven by whoever reads them.
	if j < 0 || j > end || n < 0 || n > (end-j)/headerSizeMin {
		return false
	}
	w.Index++
	w.left--
	w.at = end
	w.OffsetDelta, w.TimestampDelta = offsetDelta, timestampDelta
	w.HeaderCount, w.headers = n, b[j:end:end]
	w.Key, w.Value, w.Raw = key, value, b[at:end:end]
	w.broken = false
	return true
}

// Headers are the current record's headers, from the first.
func (w *Walker) Headers() Headers { return Headers{rest: w.headers} }
