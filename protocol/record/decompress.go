package record

import (
	"errors"
	"io"
)

// errOverBound is a decompressor's word for "there is more than fits".
var errOverBound = errors.New("output is over the bound")

// decompress undoes a codec into a pooled buffer of at most limit bytes.
//
// Each codec first reads what the stream says of its own size, discards claims
// that so few bytes cannot keep, and decodes into a buffer that is never larger
// than the limit. The stream must be the codec's and nothing else: what one
// client would read and another would not must not pass here, since a broker
// that judges records must see what every consumer will see.
//
// A stream that cannot be read is of kind Invalid, not Corrupt: its CRC says
// that it arrived as it was sent, and sending it again would not mend it.
func decompress(codec Codec, src []byte, limit int) (*buffer, error) {
	buf := getBuffer(0)
	var err error
	switch codec {
	case CodecGzip:
		err = gunzip(buf, src, limit)
	case CodecSnappy:
		err = unsnappy(buf, src, limit)
	case CodecLz4:
		err = unlz4(buf, src, limit)
	case CodecZstd:
		err = unzstd(buf, src, limit)
	default:
		err = refuse(UnsupportedCodec, "codec %d is unknown", codec)
	}
	if err == nil {
		return buf, nil
	}
	buf.release()
	switch {
	case errors.Is(err, errOverBound):
		return nil, refuse(TooLarge, "%s of %d bytes holds more than %d", codec, len(src), limit)
	case KindOf(err) != 0:
		return nil, err
	}
	return nil, &Error{Kind: Invalid, Text: codec.String() + " cannot be undone", Err: err}
}

// emptyReadsMax bounds the reads in a row that yield nothing and no error.
const emptyReadsMax = 16

// fill reads r to its end, growing the buffer up to limit bytes.
func (buf *buffer) fill(r io.Reader, limit int) error {
	empty := 0
	for {
		if len(buf.b) >= limit {
			return atEnd(r)
		}
		if len(buf.b) == cap(buf.b) {
			buf.grow(limit)
		}
		n, err := r.Read(buf.b[len(buf.b):min(cap(buf.b), limit)])
		buf.b = buf.b[:len(buf.b)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty == emptyReadsMax {
			return io.ErrNoProgress
		}
	}
}

// grow doubles the buffer's room, up to limit bytes.
func (buf *buffer) grow(limit int) {
	before := *buf
	buf.b = append(roomFor(min(max(2*cap(before.b), bufferBytesMin), limit)), before.b...)
	before.keepIfLarge()
}

// atEnd reads one byte, which must not be there. It also lets the reader check
// what stands behind its data, such as checksums.
func atEnd(r io.Reader) error {
	var one [1]byte
	switch _, err := io.ReadFull(r, one[:]); err {
	case io.EOF:
		return nil
	case nil:
		return errOverBound
	default:
		return err
	}
}
