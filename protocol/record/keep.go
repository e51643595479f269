package record

// Keep is a new batch without the records that keep refuses; index counts the
// records that are in b, from 0. Offsets keep their gaps, as compaction leaves
// them: last offset delta, sequences, producer, times and codec are b's own, so
// that a retry of the batch is known again by its header. If no record is left
// it is a batch of a header alone, which is never compressed.
//
// When every record is kept the result is b itself, not a copy. Otherwise it
// shares nothing with b.
func (b Batch) Keep(keep func(index int32) bool, lim Limits) (Batch, error) {
	records, err := b.Open(lim)
	if err != nil {
		return Batch{}, err
	}
	defer records.Release()

	h, left := b.header(), make([]byte, 0, records.Size())
	h.count = 0
	w := records.Walk()
	for w.Next() {
		if keep(w.Index) {
			left = append(left, w.Raw...)
			h.count++
		}
	}
	if h.count == b.Count() {
		return b, nil
	}
	return h.batch(left)
}

// Cut is Keep where the batch lies, for its last owner: what is kept moves
// together in b's own bytes, and b is worth nothing afterwards. Only what is
// compressed is written anew. The records must have been proven by an Open.
func (b Batch) Cut(keep func(index int32) bool, lim Limits) (Batch, error) {
	if b.Codec() != CodecNone {
		return b.Keep(keep, lim)
	}
	end, count, ok := b.close(keep)
	switch {
	case !ok:
		return Batch{}, refuse(Invalid, "records that were not proven do not fit their lengths")
	case count == b.Count():
		return b, nil
	}
	h := b.header()
	h.count = count
	cut := Batch{b.b[:end:end]}
	h.put(cut.b)
	cut.seal()
	return cut, nil
}

// close moves the records that are kept together, run by run, and answers where
// they end and how many they are.
func (b Batch) close(keep func(index int32) bool) (end int, count int32, ok bool) {
	end = atRecords
	run, at := end, end // of what is kept and not yet moved
	for index := range b.Count() {
		u, body := uvarint(b.b, at, 32)
		next := body + int(unzigzag(u))
		if body < 0 || next <= body || next > len(b.b) {
			return 0, 0, false
		}
		if keep(index) {
			count++
		} else {
			end += copy(b.b[end:], b.b[run:at])
			run = next
		}
		at = next
	}
	if run > end {
		end += copy(b.b[end:], b.b[run:at])
	} else {
		end = at
	}
	return end, count, at == len(b.b)
}
