package conflict

import (
	"encoding/binary"

	"github.com/lockstep-log/lockstep/protocol"
)

// What the Base keeps, big-endian. A key begins with its partition, so that a
// partition is one range:
//
//	           +-----------------+-----------+------+------------------+
//	key        | topic id (16)   | index (4) | kind | name or lock-id  |
//	           +-----------------+-----------+------+------------------+
//	kind 'a'   the partition's meta; no name
//	           | version (1) = 1 | flags (1) | applied (8) | history start (8) |
//	           | newest data record (8) | its lock-id |
//	kind 'i'   | first (8) | count (4) | seen (8) | digest (16) |
//	kind 'l'   | last (8)  | seen (8)  | lock-id of the writer  |
//
// Offsets are int64, None is -1. seen is when the entry was written here, in
// ms since 1970, which is not before its record was appended: retention counts
// from there. It is the broker's clock; a client's timestamps may be anything.
const (
	kindMeta = 'a'
	kindID   = 'i'
	kindLock = 'l'

	metaVersion  = 1
	flagHasLocks = 1
	flagHasIDs   = 2

	prefixBytes   = 16 + 4
	keyBytesMax   = prefixBytes + 1 + protocol.LockNameBytesMax
	metaBytes     = 1 + 1 + 8 + 8 + 8
	lockBytes     = 8 + 8
	idBytes       = 8 + 4 + 8 + 16
	valueBytesMax = metaBytes + protocol.LockIDBytesMax
)

// prefix is what the keys of one partition begin with.
type prefix [prefixBytes]byte

func prefixOf(p protocol.TopicPartition) (b prefix) {
	copy(b[:], p.Topic[:])
	binary.BigEndian.PutUint32(b[16:], uint32(p.Index))
	return b
}

func (p *prefix) appendKey(dst []byte, kind byte, name []byte) []byte {
	return append(append(append(dst, p[:]...), kind), name...)
}

// span is the range of all keys of one kind.
func (p *prefix) span(kind byte) (start, end []byte) {
	return p.appendKey(nil, kind, nil), p.appendKey(nil, kind+1, nil)
}

// meta is what the Base knows of one partition as a whole.
type meta struct {
	applied          protocol.Offset // the log is folded up to here
	history          protocol.Offset // every write of a lock from here on is known
	newest           newest
	hasLocks, hasIDs bool // something was ever written
}

var noMeta = meta{applied: protocol.None, newest: newest{offset: protocol.None}}

func (m *meta) append(b []byte) []byte {
	flags := byte(0)
	if m.hasLocks {
		flags |= flagHasLocks
	}
	if m.hasIDs {
		flags |= flagHasIDs
	}
	b = append(b, metaVersion, flags)
	b = appendOffset(b, m.applied)
	b = appendOffset(b, m.history)
	b = appendOffset(b, m.newest.offset)
	return append(b, m.newest.by.text()...)
}

// readMeta reports false for bytes of another version.
func readMeta(b []byte) (m meta, ok bool) {
	if len(b) < metaBytes || len(b) > metaBytes+protocol.LockIDBytesMax || b[0] != metaVersion {
		return noMeta, false
	}
	m = meta{
		applied: offsetAt(b, 2), history: offsetAt(b, 10),
		hasLocks: b[1]&flagHasLocks != 0, hasIDs: b[1]&flagHasIDs != 0,
	}
	m.newest.offset = offsetAt(b, 18)
	m.newest.by.set(b[metaBytes:])
	return m, true
}

func appendLock(b []byte, last protocol.Offset, seenMs int64, by []byte) []byte {
	b = appendOffset(b, last)
	b = binary.BigEndian.AppendUint64(b, uint64(seenMs))
	return append(b, by...)
}

func readLock(b []byte) (last protocol.Offset, seenMs int64, by []byte, ok bool) {
	if len(b) < lockBytes {
		return 0, 0, nil, false
	}
	return offsetAt(b, 0), int64(offsetAt(b, 8)), b[lockBytes:], true
}

func appendID(b []byte, e idEntry, seenMs int64) []byte {
	b = appendOffset(b, e.first)
	b = binary.BigEndian.AppendUint32(b, e.count)
	b = binary.BigEndian.AppendUint64(b, uint64(seenMs))
	return append(b, e.digest[:]...)
}

func readID(b []byte) (e idEntry, seenMs int64, ok bool) {
	if len(b) != idBytes {
		return idEntry{}, 0, false
	}
	e.first, e.count = offsetAt(b, 0), binary.BigEndian.Uint32(b[8:])
	copy(e.digest[:], b[20:])
	return e, int64(offsetAt(b, 12)), true
}

func appendOffset(b []byte, o protocol.Offset) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(o))
}

func offsetAt(b []byte, i int) protocol.Offset {
	return protocol.Offset(binary.BigEndian.Uint64(b[i:]))
}
