package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
)

// A log's directory. Numbers in names are offsets, 20 digits, as in Kafka.
//
//	manifest                                what the log is made of
//	00000000000000000000.log                batches as on the wire, nothing else;
//	                                        the last one may end in zeros
//	00000000000000000000.index              sparse index of the .log; can be lost
//	00000000000000000000.1.log              its first edition after compaction; the manifest
//	                                        says which edition counts
//	producers-00000000000000000042.checkpoint  state of a fold at that offset; can be lost
//	*.tmp                                   an unfinished write; removed by Open
//
// All numbers are big endian. Every file but .log carries its own CRC32C.
//
// The manifest; the last segment is the active one and its entry is the
// recovery point: what was on disk for certain when the manifest was written.
//
//	+-------------+------------+------------+------------------+
//	| "LKSM"    4 | version  2 | flags    2 | log start      8 |
//	+-------------+------------+------------+------------------+
//	| segments  4 | epochs   4 | compacted up to             8 |
//	+-------------+------------+--------------+----------------+
//	| base      8 | next     8 | size       8 | max time     8 |  for each segment
//	| base of the batch with it             8 | entries      8 |
//	| edition   4 | flags    4 | written at                  8 |
//	+-------------+------------+------------------------------+
//	| epoch     4 | start    8 |                                 for each leader epoch
//	+-------------+------------+
//	| CRC       4 |                                              of all before it
//	+-------------+
//
// flags: 1 = closed cleanly; 2 = a cut is pending, and whatever is on disk and
// not in the manifest is to be dropped. Of a segment: 1 = there may be gaps
// between its batches; 2 = compaction left records here that were superseded.
// Version 1 of the manifest had neither "compacted up to"
// nor the last line of a segment.
//
// An index is a row of chunks of 2,048 bytes; all but the last are full.
//
//	+-------------+-------------+------------+------------+------------+
//	| CRC       4 | "LKSI"    4 | version  2 | count    2 | 0        4 |
//	+-------------+-------------+------------+------------+------------+
//	| base of the segment     8 | number of the chunk   8 |
//	+---------------------------+-------------------------+
//	| base offset 8 | position 8 | max time of what is before it  8    |  84 times
//	+---------------+------------+-------------------------------------+
//
// A checkpoint of a fold:
//
//	+-------------+-------------+------------+------------+------------+
//	| CRC       4 | "LKSF"    4 | version  2 | 0        2 | length   4 |
//	+-------------+-------------+------------+------------+------------+
//	| offset of the next record to fold     8 | data ...               |
//	+-----------------------------------------+------------------------+
const (
	manifestMagic   = "LKSM"
	indexMagic      = "LKSI"
	checkpointMagic = "LKSF"

	// formatVersion is written into every file but the manifest, which has its
	// own; a greater one is refused.
	formatVersion   = 1
	manifestVersion = 2

	manifestName     = "manifest"
	logSuffix        = ".log"
	indexSuffix      = ".index"
	checkpointSuffix = ".checkpoint"
	tmpSuffix        = ".tmp"

	manifestHeadSize    = 32
	manifestSegmentSize = 64
	manifestEpochSize   = 12
	crcSize             = 4

	chunkSize     = 2048
	chunkHeadSize = 32
	entrySize     = 24
	chunkEntries  = (chunkSize - chunkHeadSize) / entrySize

	checkpointHeadSize = 24

	// sectorSize is the least unit that a disk writes whole or not at all.
	sectorSize = 512
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func getInt64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }

func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func logName(s *segment) string   { return s.name() + logSuffix }
func indexName(s *segment) string { return s.name() + indexSuffix }

// name is what a segment's files are called but for the suffix.
func (s *segment) name() string {
	if s.edition == 0 {
		return offsetName(s.base)
	}
	return fmt.Sprintf("%s.%d", offsetName(s.base), s.edition)
}

func offsetName(o protocol.Offset) string { return fmt.Sprintf("%020d", int64(o)) }

// parseName takes base offset and edition out of a segment's file name with
// the given suffix.
func parseName(name, suffix string) (base protocol.Offset, edition uint32, ok bool) {
	stem, ok := strings.CutSuffix(name, suffix)
	if !ok || len(stem) < 20 {
		return 0, 0, false
	}
	if base, ok = parseOffset(stem[:20]); !ok || len(stem) == 20 {
		return base, 0, ok
	}
	n, err := strconv.ParseUint(stem[21:], 10, 32)
	return base, uint32(n), err == nil && n > 0 && stem[20] == '.'
}

func parseOffset(digits string) (protocol.Offset, bool) {
	n, err := strconv.ParseUint(digits, 10, 63)
	return protocol.Offset(n), len(digits) == 20 && err == nil
}

// parseCheckpointName splits NAME-OFFSET.checkpoint.
func parseCheckpointName(file string) (name string, at protocol.Offset, ok bool) {
	i := len(file) - len(checkpointSuffix) - 20
	if i < 2 || file[i-1] != '-' {
		return "", 0, false
	}
	at, ok = parseOffset(file[i : i+20])
	return file[:i-1], at, ok && strings.HasSuffix(file, checkpointSuffix)
}

func checkpointName(name string, at protocol.Offset) string {
	return name + "-" + offsetName(at) + checkpointSuffix
}
