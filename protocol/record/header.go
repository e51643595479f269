package record

import (
	"encoding/binary"

	"github.com/lockstep-log/lockstep/protocol"
)

// batchHeader is the fields of a batch header that a writer chooses.
type batchHeader struct {
	baseOffset      protocol.Offset
	leaderEpoch     protocol.LeaderEpoch
	attributes      Attributes
	lastOffsetDelta int32
	baseTimestamp   int64
	maxTimestamp    int64
	producerID      protocol.ProducerID
	producerEpoch   protocol.ProducerEpoch
	baseSequence    protocol.Sequence
	count           int32
}

// header reads the fields back.
func (b Batch) header() batchHeader {
	return batchHeader{
		baseOffset:      b.BaseOffset(),
		leaderEpoch:     b.LeaderEpoch(),
		attributes:      b.Attributes(),
		lastOffsetDelta: b.LastOffsetDelta(),
		baseTimestamp:   b.FirstTimestamp(),
		maxTimestamp:    b.MaxTimestamp(),
		producerID:      b.ProducerID(),
		producerEpoch:   b.ProducerEpoch(),
		baseSequence:    b.BaseSequence(),
		count:           b.Count(),
	}
}

// batch is a new batch with these fields and the given records, compressed by
// the attributes' codec. Without records the codec is none: clients would try
// to decompress nothing.
func (h batchHeader) batch(records []byte) (Batch, error) {
	if h.count == 0 {
		h.attributes &^= attrCodec
	}
	b := make([]byte, HeaderSize, HeaderSize+len(records))
	b, err := Compression{Codec: h.attributes.Codec()}.appendTo(b, records)
	if err != nil {
		return Batch{}, err
	}
	h.put(b)
	batch := Batch{b[:len(b):len(b)]}
	batch.seal()
	return batch, nil
}

// put writes the fields, all but the CRC, into the head of b, which is a
// whole batch.
func (h batchHeader) put(b []byte) {
	be := binary.BigEndian
	be.PutUint64(b[atBaseOffset:], uint64(h.baseOffset))
	be.PutUint32(b[atLength:], uint32(len(b)-prefixSize))
	be.PutUint32(b[atLeaderEpoch:], uint32(h.leaderEpoch))
	b[atMagic] = magicV2
	be.PutUint16(b[atAttributes:], uint16(h.attributes))
	be.PutUint32(b[atLastOffsetDelta:], uint32(h.lastOffsetDelta))
	be.PutUint64(b[atBaseTimestamp:], uint64(h.baseTimestamp))
	be.PutUint64(b[atMaxTimestamp:], uint64(h.maxTimestamp))
	be.PutUint64(b[atProducerID:], uint64(h.producerID))
	be.PutUint16(b[atProducerEpoch:], uint16(h.producerEpoch))
	be.PutUint32(b[atBaseSequence:], uint32(h.baseSequence))
	be.PutUint32(b[atCount:], uint32(h.count))
}
