package record

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

var (
	gzippers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}
	lz4ers   = sync.Pool{New: func() any { return lz4.NewWriter(nil) }}
	zstders  = sync.Pool{New: func() any {
		// The options are constant and right, so there is no error to return.
		z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true))
		return z
	}}
)

// compress appends src, compressed, to dst. Snappy is one bare block, which
// every client reads.
func compress(codec Codec, dst, src []byte) ([]byte, error) {
	switch codec {
	case CodecNone:
		return append(dst, src...), nil
	case CodecGzip:
		z := gzippers.Get().(*gzip.Writer)
		defer gzippers.Put(z)
		return deflate(z, dst, src)
	case CodecSnappy:
		return append(dst, snappy.Encode(nil, src)...), nil
	case CodecLz4:
		z := lz4ers.Get().(*lz4.Writer)
		defer lz4ers.Put(z)
		return deflate(z, dst, src)
	case CodecZstd:
		z := zstders.Get().(*zstd.Encoder)
		defer zstders.Put(z)
		return z.EncodeAll(src, dst), nil
	}
	return nil, refuse(UnsupportedCodec, "codec %d is unknown", codec)
}

// streamWriter is what the gzip and the LZ4 writer have in common.
type streamWriter interface {
	Reset(w io.Writer)
	Write(p []byte) (int, error)
	Close() error
}

func deflate(z streamWriter, dst, src []byte) ([]byte, error) {
	out := bytes.NewBuffer(dst)
	z.Reset(out)
	if _, err := z.Write(src); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
