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
// records when they are opened; behind Open none of the checks can fail. It was
// tried with a second, unchecked decoder: not measurably faster.
type Walker struct {
	Index          int32  // place among the records that are in the batch, from 0
	OffsetDelta    int32  // offset minus the batch's base offset
	TimestampDelta int64  // time minus the batch's first timestamp, in ms
	Key, Value     []byte // nil is null; empty is empty
	Raw            []byte // the whole record, its length included
	HeaderCount    int

	headersAt int    // where in Raw its headers begin
	payload   []byte // all records
	at        int    // where in payload the next record begins
	left      int32  // how many records begin there or behind
	broken    bool   // the record at hand does not fit its own lengths
}

// Next steps to the next record, and reports whether there is one.
func (w *Walker) Next() bool {
	if w.left == 0 || w.broken {
		return false
	}
	b, i := w.payload, w.at
	u, j := short(b, i)
	if u >= tooLong {
		u, j = uvarint(b, i, 32)
	}
	size := int(unzigzag(u))
	if j < 0 || size < recordSizeMin-1 || size > len(b)-j {
		w.broken = true
		return false
	}
	rec := b[i : j+size : j+size]
	w.Raw, w.at = rec, j+size
	w.left--
	w.Index++
	if !w.decode(rec, j-i+1) {
		w.broken = true
		return false
	}
	return true
}

// decode takes rec apart from i, which is behind its length and attributes.
func (w *Walker) decode(rec []byte, i int) bool {
	u, j := short(rec, i)
	if u >= tooLong {
		u, j = uvarint(rec, i, 64)
	}
	w.TimestampDelta = unzigzag(u)

	u, i = short(rec, j)
	if u >= tooLong {
		u, i = uvarint(rec, j, 32)
	}
	w.OffsetDelta = int32(unzigzag(u))

	u, j = short(rec, i)
	if u >= tooLong {
		u, j = uvarint(rec, i, 32)
	}
	w.Key = nil
	if n := int(unzigzag(u)); n >= 0 {
		if j < 0 || n > len(rec)-j {
			return false
		}
		w.Key = rec[j : j+n : j+n]
		j += n
	} else if n != -1 {
		return false
	}

	u, i = short(rec, j)
	if u >= tooLong {
		u, i = uvarint(rec, j, 32)
	}
	w.Value = nil
	if n := int(unzigzag(u)); n >= 0 {
		if i < 0 || n > len(rec)-i {
			return false
		}
		w.Value = rec[i : i+n : i+n]
		i += n
	} else if n != -1 {
		return false
	}

	u, j = short(rec, i)
	if u >= tooLong {
		u, j = uvarint(rec, i, 32)
	}
	w.HeaderCount, w.headersAt = int(unzigzag(u)), j
	return j >= 0 && w.HeaderCount >= 0 && w.HeaderCount*headerSizeMin <= len(rec)-j
}

// Headers are the current record's headers, from the first.
func (w *Walker) Headers() Headers { return Headers{rest: w.Raw[w.headersAt:]} }
