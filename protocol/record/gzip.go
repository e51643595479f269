package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
)

const (
	// gzipSizeMin is a member's header and trailer.
	gzipSizeMin = 10 + 8

	// gzipRatioMax is how much one byte of deflate can become, at the very most.
	gzipRatioMax = 1032
)

var errGzipClaim = errors.New("gzip member claims more than its bytes can hold")

type gunzipper struct {
	gzip.Reader
	src bytes.Reader
}

var gunzippers = sync.Pool{New: func() any { return new(gunzipper) }}

func gunzip(buf *buffer, src []byte, limit int) error {
	if len(src) < gzipSizeMin {
		return io.ErrUnexpectedEOF
	}
	// The last four bytes are the size of the last member, which nearly always
	// is the only one.
	claim := int(binary.LittleEndian.Uint32(src[len(src)-4:]))
	switch {
	case claim > gzipRatioMax*len(src):
		return errGzipClaim
	case claim > limit:
		return errOverBound
	}
	buf.reserve(claim)
	z := gunzippers.Get().(*gunzipper)
	defer z.release()
	z.src.Reset(src)
	if err := z.Reset(&z.src); err != nil {
		return unexpected(err)
	}
	return buf.fill(z, limit)
}

// release drops the reference to the source before it pools the reader.
func (z *gunzipper) release() {
	z.src.Reset(nil)
	gunzippers.Put(z)
}

// unexpected turns an end of input where there must be more into an error.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
