package record

import (
	"math"

	"github.com/lockstep-log/lockstep/protocol"
)

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
		locks, ok := w.proveHeaders()
		if !ok {
			return refuse(Invalid, "record %d of %d: its %d headers do not fit its length", w.Index, r.count, w.HeaderCount)
		}
		r.locks = r.locks || locks
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
// nothing behind them. It notes on the way whether one is a lock header.
func (w *Walker) proveHeaders() (locks, ok bool) {
	h := w.Headers()
	for range w.HeaderCount {
		key, _, ok := h.Next()
		if !ok {
			return false, false
		}
		locks = locks || len(key) >= len(lockPrefix) && string(key[:len(lockPrefix)]) == protocol.LockPrefix
	}
	return locks, len(h.rest) == 0
}
