package load

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"
)

// Where the fields of a record batch, magic 2, stand.
const (
	batchLength    = 8
	batchCRC       = 17
	batchChecked   = 21 // the CRC covers what is from here on
	batchLastDelta = 23
	batchCount     = 57
	batchHeader    = 61
)

// The digits that are patched. A basis has room for 12 digits, a turn for 6.
const (
	basisDigits = 12
	turnDigits  = 6
	turnsMax    = 1_000_000
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// batch is an encoded record batch and the places in it that change from one
// sending to the next. A plain batch has none and may be shared.
type batch struct {
	bytes []byte
	bases []int // where each record's lock-basis digits begin
	names []int // where each lock's turn digits begin
}

// encode makes the batch of a shape. owner is part of every lock name: batches
// of different owners share no lock.
func encode(s Shape, owner string) *batch {
	b := &batch{bytes: make([]byte, batchHeader, batchHeader+s.Records*(s.Value+64))}
	h := b.bytes
	now := uint64(time.Now().UnixMilli())
	binary.BigEndian.PutUint32(h[12:], ^uint32(0)) // partition leader epoch: none
	h[16] = 2                                      // magic
	binary.BigEndian.PutUint32(h[batchLastDelta:], uint32(s.Records-1))
	binary.BigEndian.PutUint64(h[27:], now)
	binary.BigEndian.PutUint64(h[35:], now)
	binary.BigEndian.PutUint64(h[43:], ^uint64(0)) // no producer id
	binary.BigEndian.PutUint16(h[51:], ^uint16(0)) // no producer epoch
	binary.BigEndian.PutUint32(h[53:], ^uint32(0)) // no sequence
	binary.BigEndian.PutUint32(h[batchCount:], uint32(s.Records))
	value := payload(s.Value)
	for i := range s.Records {
		b.appendRecord(s, owner, i, value)
	}
	binary.BigEndian.PutUint32(b.bytes[batchLength:], uint32(len(b.bytes)-batchLength-4))
	b.seal()
	return b
}

// appendRecord is length, attributes, timestamp delta, offset delta, no key,
// value, headers.
func (b *batch) appendRecord(s Shape, owner string, i int, value []byte) {
	r := []byte{0, 0}
	r = binary.AppendVarint(r, int64(i))
	r = binary.AppendVarint(r, -1)
	r = binary.AppendVarint(r, int64(len(value)))
	r = append(r, value...)
	if s.Locks == 0 {
		r = binary.AppendVarint(r, 0)
		b.frame(r)
		return
	}
	r = binary.AppendVarint(r, 2)
	list, turns := lockList(s, owner, i)
	r = appendHeader(r, "lock-write", list)
	listAt := len(r) - len(list)
	r = appendHeader(r, "lock-basis", fmt.Sprintf("%0*d", basisDigits, 0))
	at := b.frame(r)
	for _, t := range turns {
		b.names = append(b.names, at+listAt+t)
	}
	b.bases = append(b.bases, at+len(r)-basisDigits)
}

// frame appends a record behind its length and returns where it begins.
func (b *batch) frame(r []byte) int {
	b.bytes = binary.AppendVarint(b.bytes, int64(len(r)))
	at := len(b.bytes)
	b.bytes = append(b.bytes, r...)
	return at
}

func appendHeader(r []byte, key, value string) []byte {
	r = binary.AppendVarint(r, int64(len(key)))
	r = append(r, key...)
	r = binary.AppendVarint(r, int64(len(value)))
	return append(r, value...)
}

// lockList is the value of lock-write for record i, and where the turn digits
// of each name stand in it. A name looks like acct:02.04.0099.1:000017.
func lockList(s Shape, owner string, i int) (string, []int) {
	var list []byte
	var turns []int
	for k := range s.Locks {
		if k > 0 {
			list = append(list, ' ')
		}
		list = fmt.Appendf(list, "acct:%s.%04d.%d:", owner, i, k)
		turns = append(turns, len(list))
		list = fmt.Appendf(list, "%0*d", turnDigits, 0)
	}
	return string(list), turns
}

// patch sets the basis of every record and the turn of every lock name.
func (b *batch) patch(basis int64, turn int) {
	digits := fmt.Appendf(nil, "%0*d", basisDigits, basis)
	for _, at := range b.bases {
		copy(b.bytes[at:], digits)
	}
	digits = fmt.Appendf(digits[:0], "%0*d", turnDigits, turn)
	for _, at := range b.names {
		copy(b.bytes[at:], digits)
	}
	b.seal()
}

func (b *batch) seal() {
	binary.BigEndian.PutUint32(b.bytes[batchCRC:], crc32.Checksum(b.bytes[batchChecked:], castagnoli))
}

// payload is text without runs, the same in every run.
func payload(n int) []byte {
	v := make([]byte, n)
	state := uint32(1)
	for i := range v {
		state = state*1664525 + 1013904223
		v[i] = 'a' + byte(state>>24)%26
	}
	return v
}
