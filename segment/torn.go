package segment

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

const (
	// lengthSlack is how many zeros a batch may end in: the last records' empty
	// values and headers.
	lengthSlack = 64
	// lengthSearch is how far the end of a batch with a wrong length is looked for.
	lengthSearch = 64 << 20
)

// Where a batch keeps its CRC, and where what it covers begins.
const (
	batchCRC     = 17
	batchCovered = 21
)

// endsElsewhere reports whether the CRC of the batch at the head of b is right
// for some other end than the length field says: where a batch with the offset
// next would begin, or at the last byte that is not zero and a few behind it.
func endsElsewhere(b []byte, last int64, next protocol.Offset) bool {
	if len(b) <= batchCovered {
		return false
	}
	want := binary.BigEndian.Uint32(b[batchCRC:])
	crc, done := uint32(0), batchCovered
	for _, end := range ends(b, int(last), next) {
		crc = crc32.Update(crc, castagnoli, b[done:end])
		done = end
		if crc == want {
			return true
		}
	}
	return false
}

// ends are the places where the batch could end, ascending.
func ends(b []byte, last int, next protocol.Offset) []int {
	var out []int
	base := appendInt64(nil, int64(next))
	for at := record.HeaderSize; at < len(b); {
		i := bytes.Index(b[at:], base)
		if i < 0 {
			break
		}
		out = append(out, at+i)
		at += i + 1
	}
	for at := max(last, record.HeaderSize); at <= min(last+lengthSlack, len(b)); at++ {
		out = append(out, at)
	}
	slices.Sort(out)
	return out
}

func trimZeros(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return b
}

func isZero(b []byte) bool { return len(trimZeros(b)) == 0 }
