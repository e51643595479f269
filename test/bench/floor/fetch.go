package floor

import (
	"encoding/binary"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
)

// fetch answers Fetch v4 with one topic and one partition: a header, then the
// file's bytes by sendfile, from the index entry at or before the offset.
func (c *conn) fetch(r *request) error {
	b := kbin.Reader{Src: r.body}
	b.Int32() // replica
	wait := time.Duration(b.Int32()) * time.Millisecond
	b.Int32() // min bytes
	total := b.Int32()
	b.Int8() // isolation level
	topics := b.ArrayLen()
	topic := b.UnsafeString()
	partitions := b.ArrayLen()
	partition := b.Int32()
	offset := b.Int64()
	limit := min(b.Int32(), total)
	if err := b.Complete(); err != nil {
		return err
	}
	if topics != 1 || partitions != 1 {
		return errUnserved
	}
	code := int16(codeOK)
	s, err := c.log.find(offset, int64(limit), wait)
	if err != nil {
		code = codeOutOfRange
	}
	c.out = appendFetchHeader(c.out, r.corr, topic, partition, code, s)
	if err := c.flush(); err != nil || s.size == 0 {
		return err
	}
	return c.sendFile(s)
}

func appendFetchHeader(dst []byte, corr int32, topic string, partition int32, code int16, s span) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = kbin.AppendInt32(dst, corr)
	dst = kbin.AppendInt32(dst, 0) // throttle
	dst = kbin.AppendArrayLen(dst, 1)
	dst = kbin.AppendString(dst, topic)
	dst = kbin.AppendArrayLen(dst, 1)
	dst = kbin.AppendInt32(dst, partition)
	dst = kbin.AppendInt16(dst, code)
	dst = kbin.AppendInt64(dst, s.high)
	dst = kbin.AppendInt64(dst, s.high) // last stable offset
	dst = kbin.AppendArrayLen(dst, -1)  // aborted transactions
	dst = kbin.AppendInt32(dst, int32(s.size))
	binary.BigEndian.PutUint32(dst, uint32(int64(len(dst)-4)+s.size))
	return dst
}

func (c *conn) sendFile(s span) error {
	if c.file == nil {
		f, err := os.Open(c.log.file.Name())
		if err != nil {
			return err
		}
		c.file = f
	}
	if _, err := c.file.Seek(s.pos, io.SeekStart); err != nil {
		return err
	}
	n, err := c.tcp.ReadFrom(&io.LimitedReader{R: c.file, N: s.size})
	if err == nil && n < s.size {
		err = io.ErrUnexpectedEOF
	}
	return err
}
