package record

import (
	"math"

	"github.com/lockstep-log/lockstep/protocol"
)

// Record is what a Builder is given.
type Record struct {
	Timestamp  int64 // ms since 1970
	Key, Value []byte
	Headers    []Header
}

// Header is one header of a Record.
type Header struct {
	Key   string
	Value []byte
}

// Builder writes one batch, record by record, for our own writers and tests.
// One owner. NewBuilder and Reset make it ready.
type Builder struct {
	header  batchHeader
	records []byte
	scratch []byte
	err     error
}

// NewBuilder begins a batch as a plain client would: base offset 0, leader
// epoch -1, no producer.
func NewBuilder(codec Codec) *Builder {
	b := new(Builder)
	b.Reset(codec)
	return b
}

// Reset begins another batch and keeps the memory of the last.
func (b *Builder) Reset(codec Codec) {
	b.header = batchHeader{
		leaderEpoch:   -1,
		attributes:    Attributes(codec),
		producerID:    protocol.NoProducer,
		producerEpoch: -1,
		baseSequence:  -1,
	}
	b.records, b.err = b.records[:0], nil
	if codec < 0 || codec > codecMax {
		b.err = refuse(UnsupportedCodec, "codec %d is unknown", codec)
	}
}

// Place gives the batch its offset and its leader's epoch.
func (b *Builder) Place(base protocol.Offset, epoch protocol.LeaderEpoch) *Builder {
	b.header.baseOffset, b.header.leaderEpoch = base, epoch
	return b
}

// Producer makes the batch an idempotent producer's, sequence being the first
// record's.
func (b *Builder) Producer(id protocol.ProducerID, epoch protocol.ProducerEpoch, sequence protocol.Sequence) *Builder {
	b.header.producerID, b.header.producerEpoch, b.header.baseSequence = id, epoch, sequence
	return b
}

// Transactional puts the batch into its producer's transaction.
func (b *Builder) Transactional() *Builder {
	b.header.attributes |= attrTransactional
	return b
}

// Control makes the records control records.
func (b *Builder) Control() *Builder {
	b.header.attributes |= attrControl
	return b
}

// Count is the number of records added.
func (b *Builder) Count() int32 { return b.header.count }

// Size is how large the batch is so far, before compression.
func (b *Builder) Size() int { return HeaderSize + len(b.records) }

// Add writes one more record. Nothing of r is kept. An error waits for Build.
func (b *Builder) Add(r Record) *Builder {
	if b.header.count == math.MaxInt32 {
		b.err = refuse(TooLarge, "over %d records", math.MaxInt32)
		return b
	}
	if b.header.count == 0 {
		b.header.baseTimestamp, b.header.maxTimestamp = r.Timestamp, r.Timestamp
	}
	b.header.maxTimestamp = max(b.header.maxTimestamp, r.Timestamp)
	b.encode(&r, r.Timestamp-b.header.baseTimestamp, b.header.count)
	b.header.lastOffsetDelta = b.header.count
	b.header.count++
	return b
}

// encode writes the record's body apart first, since its length stands before
// it in a number of variable size.
func (b *Builder) encode(r *Record, timestampDelta int64, offsetDelta int32) {
	body := append(b.scratch[:0], 0) // attributes
	body = appendVarint(body, timestampDelta)
	body = appendVarint(body, int64(offsetDelta))
	body = appendNullable(body, r.Key)
	body = appendNullable(body, r.Value)
	body = appendVarint(body, int64(len(r.Headers)))
	for _, h := range r.Headers {
		body = appendVarint(body, int64(len(h.Key)))
		body = append(body, h.Key...)
		body = appendNullable(body, h.Value)
	}
	b.scratch = body
	b.records = appendVarint(b.records, int64(len(body)))
	b.records = append(b.records, body...)
}

func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int64(len(b))), b...)
}

// Build is the whole batch, in bytes of its own, the CRC right. It fails when
// nothing was added, or more than a batch can hold.
func (b *Builder) Build() ([]byte, error) {
	switch {
	case b.err != nil:
		return nil, b.err
	case b.header.count == 0:
		return nil, refuse(Invalid, "no records")
	case b.Size() > math.MaxInt32-HeaderSize:
		return nil, refuse(TooLarge, "%d bytes", b.Size())
	}
	batch, err := b.header.batch(b.records)
	if err != nil {
		return nil, err
	}
	return batch.Bytes(), nil
}
