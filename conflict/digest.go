package conflict

import (
	"crypto/sha256"
	"encoding/binary"
	stdhash "hash"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// digest is the content of an append in 128 bits: SHA-256, cut. It is the
// same on every replica and after every restart, so it cannot be keyed; who
// would spend the 2^64 work of a collision gains that one of two appends of
// his own, under one id of his own, is taken for the other.
//
// Content is, of each record: key, value, the headers that are not ours in
// their order, and the locks with their kind and decoded name. Bases and
// timestamps are not content: a writer that tries again has new ones.
type digest [16]byte

// hasher computes digests. Small fields are gathered, since each write to
// SHA-256 costs more than the bytes.
type hasher struct {
	sum stdhash.Hash
	buf []byte
	out [sha256.Size]byte
}

func (h *hasher) begin(id []byte) {
	if h.sum == nil {
		h.sum = sha256.New()
	}
	h.sum.Reset()
	h.buf = h.buf[:0]
	h.bytes(id)
}

// What follows in a record's content. A null or a length stands before every
// field, a tag before every header and lock, so that no two contents read alike.
const (
	tagEnd    = 0
	tagHeader = 1
	tagLock   = 2
)

func (h *hasher) record(w *record.Walker, q *protocol.LockRequest) {
	h.nullable(w.Key)
	h.nullable(w.Value)
	for headers := w.Headers(); ; {
		key, value, ok := nextForeign(&headers)
		if !ok {
			break
		}
		h.buf = append(h.buf, tagHeader)
		h.bytes(key)
		h.nullable(value)
	}
	for i := range q.Items {
		item := &q.Items[i]
		h.buf = append(h.buf, tagLock, byte(item.Kind), boolByte(item.All))
		h.bytes(item.Name)
	}
	h.buf = append(h.buf, tagEnd)
	h.flush()
}

// nextForeign steps over the lock headers.
func nextForeign(h *record.Headers) (key, value []byte, ok bool) {
	for {
		key, value, ok = h.Next()
		if !ok || !isLockHeader(key) {
			return key, value, ok
		}
	}
}

func isLockHeader(key []byte) bool {
	return len(key) >= len(protocol.LockPrefix) && string(key[:len(protocol.LockPrefix)]) == protocol.LockPrefix
}

func (h *hasher) end() (d digest) {
	h.flush()
	copy(d[:], h.sum.Sum(h.out[:0]))
	return d
}

// gatherBytesMax is the length from which a field is hashed where it lies.
const gatherBytesMax = 512

func (h *hasher) nullable(b []byte) {
	if b == nil {
		h.buf = append(h.buf, 0)
		return
	}
	h.buf = append(h.buf, 1)
	h.bytes(b)
}

func (h *hasher) bytes(b []byte) {
	h.buf = binary.AppendUvarint(h.buf, uint64(len(b)))
	if len(b) <= gatherBytesMax {
		h.buf = append(h.buf, b...)
		return
	}
	h.flush()
	h.sum.Write(b)
}

func (h *hasher) flush() {
	h.sum.Write(h.buf)
	h.buf = h.buf[:0]
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
