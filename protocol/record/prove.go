package record

import "math"

// prove walks the payload once and checks the structure of every record, so
// that Walkers need not check anything again.
func (r *Records) prove(lastOffsetDelta int32) error {
	rest, lastDelta := r.payload, int32(-1)
	least, greatest := int64(math.MaxInt64), int64(math.MinInt64)
	for index := range r.count {
		size, at := varint(rest, 0)
		end := at + size
		if at < 0 || size < recordSizeMin-1 || end > len(rest) {
			return refuse(Invalid, "record %d of %d: length %d does not fit the %d bytes left", index, r.count, size, len(rest))
		}
		timestampDelta, offsetDelta, ok := proveRecord(rest[:end], at)
		if !ok {
			return refuse(Invalid, "record %d of %d: its fields do not fit its length %d", index, r.count, size)
		}
		if offsetDelta <= int(lastDelta) || offsetDelta > int(lastOffsetDelta) {
			return refuse(Invalid, "record %d of %d: offset delta %d after %d, last is to be %d", index, r.count, offsetDelta, lastDelta, lastOffsetDelta)
		}
		lastDelta = int32(offsetDelta)
		least, greatest = min(least, timestampDelta), max(greatest, timestampDelta)
		rest = rest[end:]
	}
	if len(rest) > 0 {
		return refuse(Invalid, "%d bytes behind the last of %d records", len(rest), r.count)
	}
	if r.count > 0 {
		r.minTimestampDelta, r.maxTimestampDelta = least, greatest
	}
	return nil
}

// proveRecord checks one record of which rec is the whole and i the place
// behind its length.
func proveRecord(rec []byte, i int) (timestampDelta int64, offsetDelta int, ok bool) {
	timestampDelta, i = varlong(rec, i+1)
	offsetDelta, i = varint(rec, i)
	i = proveBytes(rec, i)
	i = proveBytes(rec, i)
	count, i := varint(rec, i)
	if i < 0 || count < 0 || count*headerSizeMin > len(rec)-i {
		return 0, 0, false
	}
	for range count {
		i = proveKey(rec, i)
		i = proveBytes(rec, i)
	}
	return timestampDelta, offsetDelta, i == len(rec)
}

// proveBytes steps over bytes that may be null.
func proveBytes(rec []byte, i int) int {
	n, i := varint(rec, i)
	if n < 0 {
		if n == -1 {
			return i
		}
		return failed
	}
	return skip(rec, i, n)
}

// proveKey steps over a header's key, which is never null.
func proveKey(rec []byte, i int) int {
	n, i := varint(rec, i)
	if n < 0 {
		return failed
	}
	return skip(rec, i, n)
}

func skip(rec []byte, i, n int) int {
	if n > len(rec)-i {
		return failed
	}
	return i + n
}
