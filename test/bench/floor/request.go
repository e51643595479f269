package floor

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"sync"

	"github.com/twmb/franz-go/pkg/kbin"
)

// Kafka's error codes, as far as the floor knows them.
const (
	codeOK          = 0
	codeOutOfRange  = 1
	codeCorrupt     = 2
	codeUnsupported = 35
	codeStorage     = 56
)

// Where the fields of a record batch, magic 2, stand.
const (
	batchCRC       = 17
	batchChecked   = 21 // the CRC covers what is from here on
	batchLastDelta = 23
	batchHeader    = 61
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errUnserved = errors.New("floor: not a request that the floor serves")

// request is one frame and, for a produce, what was found in it. Its buffer is
// pooled: whoever sends the answer releases it.
type request struct {
	conn    *conn
	buf     []byte
	key     int16
	version int16
	corr    int32
	body    []byte

	topic     string // points into buf
	partition int32
	batch     []byte
	count     int64
	code      int16
	base      int64
}

var requests = sync.Pool{New: func() any { return new(request) }}

func (r *request) release() {
	*r = request{buf: r.buf}
	requests.Put(r)
}

// header reads a request header of version 1. The flexible ones, which carry
// tags, come with ApiVersions alone here, and its body is not looked at.
func (r *request) header() error {
	b := kbin.Reader{Src: r.buf}
	r.key, r.version, r.corr = b.Int16(), b.Int16(), b.Int32()
	if n := b.Int16(); n > 0 {
		b.Span(int(n))
	}
	r.body = b.Src
	return b.Complete()
}

// produce reads the body of Produce v3 to v8 with one topic and one partition.
func (r *request) produce(checkCRC bool) error {
	b := kbin.Reader{Src: r.body}
	b.NullableString() // transactional id
	acks := b.Int16()
	b.Int32() // timeout
	topics := b.ArrayLen()
	r.topic = b.UnsafeString()
	partitions := b.ArrayLen()
	r.partition = b.Int32()
	r.batch = b.Bytes()
	if err := b.Complete(); err != nil {
		return err
	}
	if acks == 0 || topics != 1 || partitions != 1 || len(r.batch) < batchHeader {
		return errUnserved
	}
	r.count = int64(binary.BigEndian.Uint32(r.batch[batchLastDelta:])) + 1
	if checkCRC && crc32.Checksum(r.batch[batchChecked:], castagnoli) != binary.BigEndian.Uint32(r.batch[batchCRC:]) {
		r.code = codeCorrupt
	}
	return nil
}

// appendAnswer writes the framed answer to a produce.
func (r *request) appendAnswer(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = kbin.AppendInt32(dst, r.corr)
	dst = kbin.AppendArrayLen(dst, 1)
	dst = kbin.AppendString(dst, r.topic)
	dst = kbin.AppendArrayLen(dst, 1)
	dst = kbin.AppendInt32(dst, r.partition)
	dst = kbin.AppendInt16(dst, r.code)
	if r.code != codeOK {
		r.base = -1
	}
	dst = kbin.AppendInt64(dst, r.base)
	dst = kbin.AppendInt64(dst, -1) // log append time
	if r.version >= 5 {
		dst = kbin.AppendInt64(dst, 0) // log start offset
	}
	if r.version >= 8 {
		dst = kbin.AppendArrayLen(dst, 0)         // record errors
		dst = kbin.AppendNullableString(dst, nil) // error message
	}
	dst = kbin.AppendInt32(dst, 0) // throttle
	binary.BigEndian.PutUint32(dst[start:], uint32(len(dst)-start-4))
	return dst
}
