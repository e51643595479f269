package record

import (
	"encoding/binary"
	"math"

	"github.com/lockstep-log/lockstep/protocol"
)

// PeekSize reads a batch's whole size from its first 12 bytes. It is not ok
// if there are fewer, or if no batch has such a size. The size is a claim and
// nothing more: bound it before allocating for it.
func PeekSize(b []byte) (total int, ok bool) {
	if len(b) < prefixSize {
		return 0, false
	}
	length := int32(binary.BigEndian.Uint32(b[atLength:]))
	if length < HeaderSize-prefixSize || length > math.MaxInt32-prefixSize {
		return 0, false
	}
	return prefixSize + int(length), true
}

// PeekProducer reads which idempotent producer sent a batch, and its first
// sequence, before anything of it is proven. It is not ok if there is none.
func PeekProducer(b []byte) (id protocol.ProducerID, epoch protocol.ProducerEpoch, first protocol.Sequence, ok bool) {
	if len(b) < HeaderSize || checkMagic(b) != nil {
		return protocol.NoProducer, -1, -1, false
	}
	batch := Batch{b}
	id, epoch, first = batch.ProducerID(), batch.ProducerEpoch(), batch.BaseSequence()
	return id, epoch, first, id >= 0 && epoch >= 0 && first >= 0
}

// View is the first batch of b, which a broker wrote, and its size.
//
// It proves the length, the magic, the CRC and that the header's numbers agree;
// it allows gaps, control batches and batches without records. Nothing is said
// about what follows the batch. On an error the size is still given where the
// length field can be believed, so that a reader of a log can look behind the
// damage; it is 0 otherwise. An error of kind Truncated means that b ends too
// soon, which is also what no bytes at all are.
func View(b []byte) (Batch, int, error) {
	if len(b) < prefixSize {
		return Batch{}, 0, refuse(Truncated, "%d bytes are too few for a size", len(b))
	}
	size, ok := PeekSize(b)
	if !ok {
		return Batch{}, 0, refuse(Corrupt, "length field is %d", int32(binary.BigEndian.Uint32(b[atLength:])))
	}
	if err := checkMagic(b); err != nil {
		return Batch{}, size, err
	}
	if size > len(b) {
		return Batch{}, size, refuse(Truncated, "%d bytes of %d", len(b), size)
	}
	batch := Batch{b[:size:size]}
	if err := checkCRC(batch); err != nil {
		return Batch{}, size, err
	}
	if err := checkWritten(batch); err != nil {
		return Batch{}, size, err
	}
	return batch, size, nil
}

// checkMagic looks at the magic if it is there: older formats keep their CRC
// and lengths elsewhere, so that no other complaint about them would be true.
func checkMagic(b []byte) error {
	if len(b) <= atMagic {
		return nil
	}
	switch magic := b[atMagic]; magic {
	case magicV2:
		return nil
	case 0, 1:
		return refuse(UnsupportedFormat, "magic %d; only 2 is spoken here", magic)
	default:
		return refuse(Corrupt, "magic %d", magic)
	}
}

func checkCRC(b Batch) error {
	if want := checksum(b.b); want != b.CRC() {
		return refuse(Corrupt, "CRC is %08x, should be %08x", b.CRC(), want)
	}
	return nil
}

// checkWritten proves the header of a batch that may come from a broker.
func checkWritten(b Batch) error {
	count, delta := b.Count(), b.LastOffsetDelta()
	switch {
	case b.Attributes()&^attrKnown != 0:
		return refuse(Invalid, "attributes %#04x are unknown", uint16(b.Attributes()))
	case b.Codec() > codecMax:
		return refuse(UnsupportedCodec, "codec %d is unknown", b.Codec())
	case delta < 0 || b.BaseOffset() < 0 || b.BaseOffset() > math.MaxInt64-protocol.Offset(delta):
		return refuse(Invalid, "base offset %d and last offset delta %d are no range of offsets",
			b.int64(atBaseOffset), delta)
	case count < 0 || int64(count) > int64(delta)+1:
		return refuse(Invalid, "%d records with last offset delta %d", count, delta)
	}
	return checkRoom(b)
}

// checkRoom proves that the records can be as many as the batch says, as far
// as sizes tell.
func checkRoom(b Batch) error {
	count, room := int64(b.Count()), int64(len(b.payload()))
	switch {
	case (count == 0) != (room == 0):
		return refuse(Invalid, "%d records in %d bytes", count, room)
	case b.Codec() == CodecNone && count*recordSizeMin > room:
		return refuse(Invalid, "%d records cannot be in %d bytes", count, room)
	}
	return nil
}
