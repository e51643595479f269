package record

import "math"

// prove walks the records once and checks each of them, so that behind Open no
// walk can fail.
func (r *Records) prove(lastOffsetDelta int32) error {
	lastDelta := int32(-1)
	least, greatest := int64(math.MaxInt64), int64(math.MinInt64)
	w := r.Walk()
	for w.Next() {
		if w.OffsetDelta <= lastDelta || w.OffsetDelta > lastOffsetDelta {
			return refuse(Invalid, "record %d of %d: offset delta %d after %d in a batch that ends with %d", w.Index, r.count, w.OffsetDelta, lastDelta, lastOffsetDelta)
		}
		if !w.proveHeaders() {
			return refuse(Invalid, "record %d of %d: its %d headers do not fit its length", w.Index, r.count, w.HeaderCount)
		}
		lastDelta = w.OffsetDelta
		least, greatest = min(least, w.TimestampDelta), max(greatest, w.TimestampDelta)
	}
	switch {
	case w.broken:
		return refuse(Invalid, "the record at byte %d, of %d in all, does not fit its lengths", w.at, r.count)
	case w.at < len(w.payload):
		return refuse(Invalid, "%d bytes behind the last of %d records", len(w.payload)-w.at, r.count)
	}
	if r.count > 0 {
		r.minTimestampDelta, r.maxTimestampDelta = least, greatest
	}
	return nil
}

// proveHeaders checks that there are as many headers as the record says, and
// nothing behind them.
func (w *Walker) proveHeaders() bool {
	h := w.Headers()
	for range w.HeaderCount {
		if _, _, ok := h.Next(); !ok {
			return false
		}
	}
	return len(h.rest) == 0
}
