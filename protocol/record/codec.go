package record

import "fmt"

// Codec is a compression of a batch's records, by Kafka's number.
type Codec int8

// The codecs of the protocol.
const (
	CodecNone   Codec = 0
	CodecGzip   Codec = 1
	CodecSnappy Codec = 2
	CodecLz4    Codec = 3
	CodecZstd   Codec = 4

	codecMax = CodecZstd
)

var codecNames = [...]string{"none", "gzip", "snappy", "lz4", "zstd"}

// String is the codec's name in Kafka's settings (compression.type).
func (c Codec) String() string {
	if c < 0 || c > codecMax {
		return fmt.Sprintf("codec %d", int8(c))
	}
	return codecNames[c]
}

// ParseCodec reads a name as String writes it.
func ParseCodec(name string) (Codec, bool) {
	for c, n := range codecNames {
		if n == name {
			return Codec(c), true
		}
	}
	return CodecNone, false
}
