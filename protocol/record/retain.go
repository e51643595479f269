package record

import "math"

// DeleteHorizon is the time from which on compaction may drop the batch's
// tombstones (KIP-534). There is none until compaction has set one.
func (b Batch) DeleteHorizon() (ms int64, ok bool) {
	if b.Attributes()&attrDeleteHorizon == 0 {
		return 0, false
	}
	return b.FirstTimestamp(), true
}

// Retain is a new batch of those of its records, which are recs, for which
// keep is set, by their place in the batch, compressed by b's codec. The rest
// of the header is b's own, so that offsets, sequences and times stay what they
// were. It shares nothing with b.
//
// A horizon of 0 or above becomes the batch's delete horizon. It stands where
// the first timestamp was, so the records' times are written anew from there.
func (b Batch) Retain(recs *Records, keep []bool, horizonMs int64) (Batch, error) {
	h, left := b.header(), make([]byte, 0, recs.Size())
	shift := int64(0)
	if horizonMs >= 0 {
		shift = h.baseTimestamp - horizonMs
		h.baseTimestamp = horizonMs
		h.attributes |= attrDeleteHorizon
	}
	h.count = 0
	w := recs.Walk()
	for w.Next() {
		if !keep[w.Index] {
			continue
		}
		h.count++
		if shift == 0 {
			left = append(left, w.Raw...)
		} else {
			left = w.appendShifted(left, shift)
		}
	}
	if len(left) > math.MaxInt32-HeaderSize {
		return Batch{}, refuse(TooLarge, "%d bytes", len(left))
	}
	return h.batch(left)
}

// appendShifted appends the current record with a time that is counted from
// elsewhere.
func (w *Walker) appendShifted(dst []byte, shift int64) []byte {
	_, attributes := uvarint(w.Raw, 0, 32)
	_, rest := uvarint(w.Raw, attributes+1, 64)
	delta := w.TimestampDelta + shift
	size := 1 + varintSize(delta) + len(w.Raw) - rest
	dst = appendVarint(dst, int64(size))
	dst = append(dst, w.Raw[attributes])
	dst = appendVarint(dst, delta)
	return append(dst, w.Raw[rest:]...)
}
