package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// lz4RatioMax is how much one byte of LZ4 can become.
const lz4RatioMax = 255

type unlz4er struct {
	r   *lz4.Reader
	src bytes.Reader
}

var unlz4ers = sync.Pool{New: func() any { return &unlz4er{r: lz4.NewReader(nil)} }}

func unlz4(buf *buffer, src []byte, limit int) error {
	size, err := measureLz4(src)
	if err != nil {
		return err
	}
	buf.reserve(min(size, lz4RatioMax*len(src), limit))
	z := unlz4ers.Get().(*unlz4er)
	defer z.release()
	z.src.Reset(src)
	z.r.Reset(&z.src)
	return buf.fill(z.r, limit)
}

// release drops the reference to the source before it pools the reader.
func (z *unlz4er) release() {
	z.src.Reset(nil)
	z.r.Reset(&z.src)
	unlz4ers.Put(z)
}

// An LZ4 frame, little endian: magic uint32 | flags | block descriptor |
// content size uint64 if flagged | dictionary id uint32 if flagged | header
// checksum byte | blocks: size uint32, its top bit set when stored, the data,
// checksum uint32 if flagged | end mark uint32 = 0 | checksum uint32 if flagged.
const (
	lz4Magic         = 0x184d2204
	lz4HeaderSizeMin = 7

	lz4VersionMask      = 0xc0
	lz4Version          = 0x40
	lz4BlockIndependent = 1 << 5
	lz4BlockChecksum    = 1 << 4
	lz4ContentSize      = 1 << 3
	lz4ContentChecksum  = 1 << 2
	lz4DictionaryID     = 1 << 0

	lz4Stored = 1 << 31
)

var (
	errLz4Frame = errors.New("not one whole LZ4 frame")
	errLz4Flags = errors.New("LZ4 frame with flags that Kafka clients cannot read")
)

// measureLz4 proves that src is one LZ4 frame and nothing else, since Java
// clients read the first frame alone and others read on, and says how many
// bytes it decodes to at most. As in Kafka, blocks must be independent and
// there are no dictionaries.
func measureLz4(src []byte) (int, error) {
	if len(src) < lz4HeaderSizeMin || binary.LittleEndian.Uint32(src) != lz4Magic {
		return 0, errLz4Frame
	}
	flags, blockMax := src[4], lz4BlockMax(src[5])
	if flags&lz4VersionMask != lz4Version || flags&lz4BlockIndependent == 0 ||
		flags&lz4DictionaryID != 0 || blockMax == 0 {
		return 0, errLz4Flags
	}
	// Only the places of the parts are looked at: what is in a block is proven when it is decoded.
	at := lz4HeaderSizeMin
	if flags&lz4ContentSize != 0 {
		at += 8
	}
	blocks := 0
	for {
		if len(src)-at < 4 {
			return 0, errLz4Frame
		}
		// A stored block holds as many bytes as it decodes to; that is within the bound as well.
		size := int(binary.LittleEndian.Uint32(src[at:]) &^ lz4Stored)
		at += 4
		if size == 0 {
			break
		}
		if flags&lz4BlockChecksum != 0 {
			size += 4
		}
		if size > len(src)-at {
			return 0, errLz4Frame
		}
		at += size
		blocks++
	}
	if flags&lz4ContentChecksum != 0 {
		at += 4
	}
	// What stands behind the frame would be read by some clients and not by others.
	if at != len(src) {
		return 0, errLz4Frame
	}
	return blocks * blockMax, nil
}

// lz4BlockMax is the greatest size of a decoded block, 0 if there is no such.
func lz4BlockMax(descriptor byte) int {
	switch descriptor >> 4 & 7 {
	case 4:
		return 64 << 10
	case 5:
		return 256 << 10
	case 6:
		return 1 << 20
	case 7:
		return 4 << 20
	}
	return 0
}
