package client

// Result is where an append is in its partition's log.
type Result struct {
	// Offset is the first record's.
	Offset int64
	// Offsets are those of all records, in order.
	Offsets []int64
	// Repeated: an append with this id and content was in the log before; the
	// offsets are its.
	Repeated bool
}

// Last is the offset of the append's last record.
func (r Result) Last() int64 {
	if len(r.Offsets) == 0 {
		return None
	}
	return r.Offsets[len(r.Offsets)-1]
}

func resultAt(first int64, records int, repeated bool) Result {
	r := Result{Offset: first, Offsets: make([]int64, records), Repeated: repeated}
	for i := range r.Offsets {
		r.Offsets[i] = first + int64(i)
	}
	return r
}
