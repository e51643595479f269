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
