package record

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/snappy"
)

// Java clients, and those that follow them, frame snappy as the xerial library
// does: a magic, two versions, then blocks with their length in front. Others
// send one bare block. Both are to be read.
var xerialMagic = []byte("\x82SNAPPY\x00")

const (
	xerialHeaderSize = 16
	xerialVersionMin = 1

	// snappyRatioMax is how much one byte of snappy can become: a copy of 64
	// bytes is written in three.
	snappyRatioMax = 22
)

var (
	errSnappyClaim  = errors.New("snappy block claims more than its bytes can hold")
	errXerialFrame  = errors.New("broken xerial frame")
	errXerialFormat = errors.New("unknown xerial version")
)

func unsnappy(buf *buffer, src []byte, limit int) error {
	if !bytes.HasPrefix(src, xerialMagic) {
		return unsnappyBlocks(buf, src, limit, wholeBlock)
	}
	if len(src) < xerialHeaderSize {
		return errXerialFrame
	}
	if version := int32(binary.BigEndian.Uint32(src[len(xerialMagic):])); version < xerialVersionMin {
		return errXerialFormat
	}
	return unsnappyBlocks(buf, src[xerialHeaderSize:], limit, cutXerial)
}

// A cutter takes the next block off src.
type cutter func(src []byte) (block, rest []byte, err error)

func wholeBlock(src []byte) (block, rest []byte, err error) { return src, nil, nil }

func cutXerial(src []byte) (block, rest []byte, err error) {
	if len(src) < 4 {
		return nil, nil, errXerialFrame
	}
	size := int(int32(binary.BigEndian.Uint32(src)))
	src = src[4:]
	if size < 0 || size > len(src) {
		return nil, nil, errXerialFrame
	}
	return src[:size], src[size:], nil
}

// unsnappyBlocks adds the blocks' claims up, makes room for the sum, and then
// decodes them behind each other.
func unsnappyBlocks(buf *buffer, src []byte, limit int, cut cutter) error {
	total := 0
	for rest := src; len(rest) > 0; {
		block, next, err := cut(rest)
		if err != nil {
			return err
		}
		size, err := snappy.DecodedLen(block)
		switch {
		case err != nil:
			return err
		case size > snappyRatioMax*len(block):
			return errSnappyClaim
		}
		if total += size; total > limit {
			return errOverBound
		}
		rest = next
	}
	buf.reserve(total)
	for rest := src; len(rest) > 0; {
		block, next, err := cut(rest)
		if err != nil {
			return err
		}
		// Strict: the library's faster decoder takes an extension of the format
		// for granted that no other client can read.
		out, err := snappy.DecodeStrict(buf.b[len(buf.b):cap(buf.b)], block)
		if err != nil {
			return err
		}
		buf.b = buf.b[:len(buf.b)+len(out)]
		rest = next
	}
	return nil
}
