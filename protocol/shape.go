package protocol

import "encoding/binary"

// uvarint reads an unsigned varint of up to 32 bits.
func uvarint(b []byte) (v uint32, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || size > 5 || n > 1<<32-1 {
		return 0, nil, false
	}
	return uint32(n), b[size:], true
}

// skipTags walks a tag section: a count, then tag, size, bytes of each, in
// rising order of tags (KIP-482).
func skipTags(b []byte) (rest []byte, ok bool) {
	count, b, ok := uvarint(b)
	for last := int64(-1); ok && count > 0; count-- {
		var tag, size uint32
		if tag, b, ok = uvarint(b); !ok || int64(tag) <= last {
			return nil, false
		}
		if size, b, ok = uvarint(b); !ok || int64(size) > int64(len(b)) {
			return nil, false
		}
		last, b = int64(tag), b[size:]
	}
	return b, ok
}

// Prove checks that a request's body has the shape that its key and version
// call for. Nothing may decode a body that was not proven.
func Prove(key, version int16, body []byte) error { return nil }
