package record

import "math/bits"

// Numbers in records are zigzag varints. They may be longer than they need to
// be, as every Kafka client allows, but must fit their type.
//
// Reading one is split in two, because Go inlines no function that calls
// another of any size. short is inlined and reads up to two bytes, which is
// nearly every number there is; where it says tooLong, uvarint does the rest:
//
//	u, j := short(b, i)
//	if u >= tooLong {
//		u, j = uvarint(b, i, bits)
//	}
//
// A failure makes the position negative, where it stays: short of a negative
// position is tooLong and uvarint of one fails again. So a walk checks once for
// several numbers.
const (
	tooLong = 1 << 14
	failed  = -1 << 62
)

// short reads an unsigned number of one or two bytes at b[i:]. A second byte
// with its top bit set, more to come, makes the number tooLong by itself; so
// does a place so near the end of b that two bytes cannot be looked at.
func short(b []byte, i int) (u uint64, next int) {
	if uint(i+1) >= uint(len(b)) {
		return tooLong, i
	}
	if u = uint64(b[i]); u < 0x80 {
		return u, i + 1
	}
	return u&0x7f | uint64(b[i+1])<<7, i + 2
}

// uvarint reads an unsigned number of at most so many bits at b[i:].
func uvarint(b []byte, i, bits int) (u uint64, next int) {
	if i < 0 || i >= len(b) {
		return 0, failed
	}
	for k, c := range b[i:] {
		room := bits - 7*k
		if room < 7 && c>>max(room, 0) != 0 {
			break
		}
		u |= uint64(c&0x7f) << (7 * k)
		if c < 0x80 {
			return u, i + k + 1
		}
	}
	return 0, failed
}

// unzigzag maps 0, 1, 2, 3… to 0, -1, 1, -2….
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// appendVarint appends n in as few bytes as it takes. The encodings of 32 and
// of 64 bits are one where the number fits both. It is inlined for what fits
// one byte, which is nearly every number there is.
func appendVarint(dst []byte, n int64) []byte {
	if uint64(n) < 64 {
		return append(dst, byte(n)<<1)
	}
	return appendLong(dst, n)
}

func appendLong(dst []byte, n int64) []byte {
	u := zigzag(n)
	for u >= 0x80 {
		dst = append(dst, byte(u)|0x80)
		u >>= 7
	}
	return append(dst, byte(u))
}

// zigzag is the reverse of unzigzag.
func zigzag(n int64) uint64 { return uint64(n)<<1 ^ uint64(n>>63) }

// varintSize is how many bytes appendVarint appends.
func varintSize(n int64) int { return (bits.Len64(zigzag(n)|1) + 6) / 7 }
