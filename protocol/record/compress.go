package record

import (
	"bytes"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Compression is a codec and how hard it tries.
type Compression struct {
	Codec Codec
	// Level is on the codec's own scale; 0 is its default. Gzip has 1 to 9. LZ4
	// has 1 to 9 as well, and takes more for 9; its default is faster than all.
	// Zstd's levels are those of the reference encoder, and the nearest of the
	// four that there are here is taken: up to 2, up to 5, up to 9, and above.
	Level int
}

const (
	gzipLevelMax = 9
	lz4LevelMax  = 9
)

// Encoders are dear to make and hold their tables, so they are kept, by level.
// The tables of zstd's last level are 34 MiB. A pool would lose them with each
// collection, and to make them takes longer than to compress a batch.
var (
	gzippers [gzipLevelMax + 1]sync.Pool // of *gzip.Writer
	lz4ers   [lz4LevelMax + 1]sync.Pool  // of *lz4.Writer
	zstders  [zstd.SpeedBestCompression + 1]freeList[*zstd.Encoder]
)

// appendTo appends src, compressed, to dst. Snappy is one bare block, which
// every client reads.
func (c Compression) appendTo(dst, src []byte) ([]byte, error) {
	switch c.Codec {
	case CodecNone:
		return append(dst, src...), nil
	case CodecGzip:
		level := min(max(c.Level, 0), gzipLevelMax)
		z, ok := gzippers[level].Get().(*gzip.Writer)
		if !ok {
			z = newGzipper(level)
		}
		defer gzippers[level].Put(z)
		return deflate(z, dst, src)
	case CodecSnappy:
		dst = slices.Grow(dst, snappy.MaxEncodedLen(len(src)))
		return dst[:len(dst)+len(snappy.Encode(dst[len(dst):cap(dst)], src))], nil
	case CodecLz4:
		level := min(max(c.Level, 0), lz4LevelMax)
		z, ok := lz4ers[level].Get().(*lz4.Writer)
		if !ok {
			z = newLz4er(level)
		}
		defer lz4ers[level].Put(z)
		return deflate(z, dst, src)
	case CodecZstd:
		level := zstd.SpeedDefault
		if c.Level != 0 {
			level = zstd.EncoderLevelFromZstd(c.Level)
		}
		z, ok := zstders[level].get()
		if !ok {
			z = newZstder(level)
		}
		defer zstders[level].put(z)
		return z.EncodeAll(src, dst), nil
	}
	return nil, refuse(UnsupportedCodec, "codec %d is unknown", c.Codec)
}

// The options of the three are constant and right, so that there are no errors
// to return.

func newGzipper(level int) *gzip.Writer {
	if level == 0 {
		level = gzip.DefaultCompression
	}
	z, _ := gzip.NewWriterLevel(nil, level)
	return z
}

// newLz4er writes blocks of 64 KiB, as Kafka does: a reader needs that much for
// each, even if the batch is small.
func newLz4er(level int) *lz4.Writer {
	levels := [...]lz4.CompressionLevel{
		lz4.Fast, lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4,
		lz4.Level5, lz4.Level6, lz4.Level7, lz4.Level8, lz4.Level9,
	}
	z := lz4.NewWriter(nil)
	_ = z.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.CompressionLevelOption(levels[level]))
	return z
}

func newZstder(level zstd.EncoderLevel) *zstd.Encoder {
	z, _ := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithZeroFrames(true), zstd.WithEncoderLevel(level))
	return z
}

// freeListMax is how many of a kind are kept for good.
const freeListMax = 4

// freeList holds what is dear to make, until the process ends.
type freeList[T any] struct {
	mu struct {
		sync.Mutex
		free []T
	}
}

func (s *freeList[T]) get() (v T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.mu.free)
	if n == 0 {
		return v, false
	}
	v = s.mu.free[n-1]
	s.mu.free = s.mu.free[:n-1]
	return v, true
}

func (s *freeList[T]) put(v T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.free) < freeListMax {
		s.mu.free = append(s.mu.free, v)
	}
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
