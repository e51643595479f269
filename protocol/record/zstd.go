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

	// zstdBlockMax is the greatest size of a decoded block, and zstdSlack what
	// the decoder likes to have beyond it, to copy in whole words.
	zstdBlockMax = 128 << 10
	zstdSlack    = 64

	zstdBlockHeaderSize = 3
	zstdChecksumSize    = 4
)

var (
	errZstdFrame = errors.New("not whole zstd frames")
	errZstdClaim = errors.New("zstd frame claims more than its blocks can hold")
)

var unzstders = sync.Pool{New: func() any {
	// The options are constant and right, so there is no error to return.
	z, _ := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdWindowMax),
		zstd.WithDecodeAllCapLimit(true))
	return z
}}

// unzstd decodes into the buffer's room, which the decoder may not leave. The
// library's limit on decoded bytes is not used, since it limits the window as
// well: a frame of Kafka's highest level has a window of 128 MiB, whatever it
// holds, and needs no memory for it when decoded in one piece.
//
// The room is a block more than the limit, so that each block that starts
// within the limit can be decoded, and an error with output over the limit is
// about that and nothing else.
func unzstd(buf *buffer, src []byte, limit int) error {
	least, most, err := measureZstd(src)
	switch {
	case err != nil:
		return err
	case least > limit:
		return errOverBound
	}
	buf.reserve(min(most, limit+zstdBlockMax) + zstdSlack)
	z := unzstders.Get().(*zstd.Decoder)
	defer unzstders.Put(z)
	out, err := z.DecodeAll(src, buf.b)
	switch {
	case len(out) > limit || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return errOverBound
	case err != nil:
		return unexpected(err)
	}
	buf.b = out
	return nil
}

// measureZstd proves that src is whole frames of zstd and nothing else, as far
// as their headers and the sizes of their blocks tell, and says how many bytes
// they decode to at least and at most.
func measureZstd(src []byte) (least, most int, err error) {
	for len(src) > 0 {
		var h zstd.Header
		if err := h.Decode(src); err != nil {
			return 0, 0, unexpected(err)
		}
		// Not every client skips such a frame, and none has the dictionary.
		if h.Skippable || h.DictionaryID != 0 {
			return 0, 0, errZstdFrame
		}
		size, rest, err := measureZstdBlocks(src[h.HeaderSize:])
		if err != nil {
			return 0, 0, err
		}
		if h.HasFCS {
			// The claim is believed as far as the blocks can keep it: memory is taken by it.
			if h.FrameContentSize > uint64(size) {
				return 0, 0, errZstdClaim
			}
			size = int(h.FrameContentSize)
			least += size
		}
		if h.HasCheckSum {
			if len(rest) < zstdChecksumSize {
				return 0, 0, errZstdFrame
			}
			rest = rest[zstdChecksumSize:]
		}
		most, src = most+size, rest
	}
	return least, most, nil
}

// measureZstdBlocks steps over one frame's blocks: three bytes, little endian,
// of which bit 0 says that it is the last, bits 1-2 say raw, one byte repeated,
// or compressed, and the others are the size.
func measureZstdBlocks(src []byte) (size int, rest []byte, err error) {
	for last := false; !last; {
		if len(src) < zstdBlockHeaderSize {
			return 0, nil, errZstdFrame
		}
		header := int(src[0]) | int(src[1])<<8 | int(src[2])<<16
		last = header&1 != 0
		stored, decoded := header>>3, header>>3
		switch header >> 1 & 3 {
		case 0: // raw
		case 1: // one byte repeated
			stored = 1
		case 2: // compressed
			decoded = zstdBlockMax
		default:
			return 0, nil, errZstdFrame
		}
		src = src[zstdBlockHeaderSize:]
		if stored > len(src) || decoded > zstdBlockMax {
			return 0, nil, errZstdFrame
		}
		size, src = size+decoded, src[stored:]
	}
	return size, src, nil
}
