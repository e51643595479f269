package record

// Records are the records of one batch, decompressed and proven: every length
// fits, offset deltas rise strictly within the batch, nothing is left over.
//
// They alias the batch's own bytes when it is not compressed, and a pooled
// buffer when it is; Release gives that back. Walkers and every slice got from
// them end with Release. One owner; any number of concurrent Walkers.
type Records struct {
	payload []byte
	count   int32
	pooled  *buffer // nil when payload aliases the batch
	locks   bool    // a record has a lock header

	// Times of the records relative to the batch's FirstTimestamp; both 0 when
	// there are none.
	minTimestampDelta, maxTimestampDelta int64
}

// Open undoes the compression and proves the records.
//
// The output is bounded by lim.DecompressedBytesMax while it is made, not
// after: a bomb is refused with kind TooLarge and never costs more memory than
// the bound. Records that lie about themselves are of kind Invalid, a
// compressed stream that cannot be read is Corrupt. For a batch from Parse,
// offset deltas that rise strictly are 0, 1, 2… since there are as many of
// them as offsets; for one from View they may have gaps.
func (b Batch) Open(lim Limits) (Records, error) {
	p, err := b.Prove(lim)
	if err != nil {
		return Records{}, err
	}
	for p.Next() {
		if !p.HeadersFit() {
			p.Misfit()
		}
	}
	return p.End()
}

// Count is the number of records.
func (r *Records) Count() int32 { return r.count }

// HaveLocks reports whether a record has a header that begins with "lock-".
func (r *Records) HaveLocks() bool { return r.locks }

// Size is the number of bytes of all records, decompressed.
func (r *Records) Size() int { return len(r.payload) }

// TimestampDeltas are the least and the greatest of the records' times, to be
// added to the batch's FirstTimestamp; 0 and 0 where there are no records.
func (r *Records) TimestampDeltas() (least, greatest int64) {
	return r.minTimestampDelta, r.maxTimestampDelta
}

// Walk starts at the first record.
func (r *Records) Walk() Walker { return Walker{Index: -1, payload: r.payload, left: r.count} }

// Release gives pooled memory back. Nothing got from the Records may be used
// after it; to call it twice does no harm.
func (r *Records) Release() {
	if r.pooled != nil {
		r.pooled.release()
	}
	*r = Records{}
}
