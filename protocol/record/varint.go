package record

// Varints are read with a position that a failure makes negative and that
// stays negative from then on, so that a walk checks once per record and not
// once per number.
//
// Numbers may be longer than they need to be, as every Kafka client allows; a
// number that does not fit its type is a failure.
const failed = -1 << 62

// varint reads a zigzag number of at most 32 bits at b[i:].
func varint(b []byte, i int) (n, next int) {
	if uint(i) < uint(len(b)) {
		if c := b[i]; c < 0x80 {
			return int(c>>1) ^ -int(c&1), i + 1
		}
	}
	return varintLong(b, i)
}

// varintLong is varint where more than one byte is needed. It is apart so that
// varint can be inlined.
func varintLong(b []byte, i int) (n, next int) {
	if i < 0 {
		return 0, failed
	}
	var u uint32
	for shift := 0; shift < 35; shift += 7 {
		if i >= len(b) {
			return 0, failed
		}
		c := b[i]
		i++
		if shift == 28 && c > 0x0f {
			return 0, failed
		}
		u |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return int(int32(u>>1) ^ -int32(u&1)), i
		}
	}
	return 0, failed
}

// varlong reads a zigzag number of at most 64 bits at b[i:].
func varlong(b []byte, i int) (n int64, next int) {
	if uint(i) < uint(len(b)) {
		if c := b[i]; c < 0x80 {
			return int64(c>>1) ^ -int64(c&1), i + 1
		}
	}
	return varlongLong(b, i)
}

func varlongLong(b []byte, i int) (n int64, next int) {
	if i < 0 {
		return 0, failed
	}
	var u uint64
	for shift := 0; shift < 70; shift += 7 {
		if i >= len(b) {
			return 0, failed
		}
		c := b[i]
		i++
		if shift == 63 && c > 0x01 {
			return 0, failed
		}
		u |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return int64(u>>1) ^ -int64(u&1), i
		}
	}
	return 0, failed
}

// appendVarlong appends n as varint and varlong read it: the two encodings are
// one where the number fits both.
func appendVarlong(dst []byte, n int64) []byte {
	u := uint64(n)<<1 ^ uint64(n>>63)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

