package record

import "hash/crc32"

// A batch on the wire and on disk; all numbers are big endian.
//
//	 0       base offset             int64   not under the CRC
//	 8       length of what follows  int32   not under the CRC
//	12       partition leader epoch  int32   not under the CRC
//	16       magic = 2               int8    not under the CRC
//	17       CRC32C of what follows  uint32
//	21       attributes              int16   see Attributes
//	23       last offset delta       int32
//	27       base timestamp          int64
//	35       max timestamp           int64
//	43       producer id             int64
//	51       producer epoch          int16
//	53       base sequence           int32
//	57       count of records        int32
//	61       the records, compressed as one by the attributes' codec
//
// A record; "varint" is zigzag, as in protocol buffers.
//
//	length of what follows varint | attributes int8 (unused) |
//	timestamp delta varlong | offset delta varint |
//	key length varint (-1 is null) | key | value length varint (-1 is null) | value |
//	count of headers varint | each: key length varint | key | value length varint (-1 is null) | value
const (
	atBaseOffset      = 0
	atLength          = 8
	atLeaderEpoch     = 12
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57
	atRecords         = 61
)

const (
	// HeaderSize is the size of a batch without records.
	HeaderSize = atRecords

	// prefixSize is the base offset and the length: what PeekSize needs.
	prefixSize = atLeaderEpoch

	magicV2 = 2

	// recordSizeMin is the least record: its length, attributes, two deltas,
	// null key, null value and no headers, one byte each.
	recordSizeMin = 7

	// headerSizeMin is the least record header: an empty key and a null value.
	headerSizeMin = 2
)

// castagnoli is the polynomial that CPUs compute in hardware.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC that the batch's bytes ought to carry.
func checksum(b []byte) uint32 { return crc32.Checksum(b[atAttributes:], castagnoli) }
