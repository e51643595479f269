package record

import (
	"errors"
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdWindowMax is the greatest window that the reference decoder, and so
	// librdkafka and Java, accept without being told to.
	zstdWindowMax = 128 << 20

	// A block takes at least three bytes of header and one of content, and
	// decodes to at most 128 KiB.
	zstdBlockSizeMin = 4
	zstdBlockMax     = 128 << 10

	// zstdGuess times its size is tried first for a frame that does not say its
	// own, and each next try has zstdRetry times the room.
	zstdGuess = 8
	zstdRetry = 4

	// zstdSlack lets the decoder copy in whole words at the end.
	zstdSlack = 64
)

var errZstdClaim = errors.New("zstd frame claims more than its bytes can hold")

var unzstders = sync.Pool{New: func() any {
	// The options are constant and right, so there is no error to return.
	z, _ := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindowMax),
		zstd.WithDecodeAllCapLimit(true))
	return z
}}

// unzstd decodes within the buffer's room and begins again with more if that
// was too little, up to the limit. Decoding in place needs no window beside
// the output, and beginning again holds one buffer at a time where growing
// would hold two.
func unzstd(buf *buffer, src []byte, limit int) error {
	z := unzstders.Get().(*zstd.Decoder)
	defer unzstders.Put(z)
	room, err := measureZstd(src, limit)
	if err != nil {
		return err
	}
	for {
		buf.reserve(room + zstdSlack)
		out, err := z.DecodeAll(src, buf.b)
		switch {
		case err == nil && len(out) <= limit:
			buf.b = out
			return nil
		case err == nil:
			return errOverBound
		case !errors.Is(err, zstd.ErrDecoderSizeExceeded):
			return unexpected(err)
		case room >= limit:
			return errOverBound
		}
		room = min(room*zstdRetry, limit)
	}
}

// measureZstd says how much room to try first: what the first frame says of
// itself, or a guess.
func measureZstd(src []byte, limit int) (int, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return 0, unexpected(err)
	}
	if !h.HasFCS {
		return min(max(zstdGuess*len(src), bufferBytesMin), limit), nil
	}
	switch {
	case h.FrameContentSize > uint64(len(src)/zstdBlockSizeMin+1)*zstdBlockMax:
		return 0, errZstdClaim
	case h.FrameContentSize > uint64(limit):
		return 0, errOverBound
	}
	return int(h.FrameContentSize), nil
}
