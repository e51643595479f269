package record

import (
	"math"
	"slices"

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
	header batchHeader
	batch  []byte // room for the header, then the records as they are added
	err    error
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
	b.batch, b.err = slices.Grow(b.batch[:0], HeaderSize)[:HeaderSize], nil
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
func (b *Builder) Size() int { return len(b.batch) }

// Cap is how much memory the builder holds on to.
func (b *Builder) Cap() int { return cap(b.batch) }

// FirstTimestamp is what the records' timestamp deltas count from.
func (b *Builder) FirstTimestamp() int64 { return b.header.baseTimestamp }

// Walk steps over the records that were added. They alias the builder's memory.
func (b *Builder) Walk() Walker {
	return Walker{Index: -1, payload: b.batch[HeaderSize:], left: b.header.count}
}

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

// encode appends the record. Its length stands before it in a number of
// variable size, so the sizes of all its parts are summed up first.
func (b *Builder) encode(r *Record, timestampDelta int64, offsetDelta int32) {
	size := 1 + varintSize(timestampDelta) + varintSize(int64(offsetDelta)) +
		nullableSize(r.Key) + nullableSize(r.Value) + varintSize(int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		size += varintSize(int64(len(h.Key))) + len(h.Key) + nullableSize(h.Value)
	}
	if need := size + varintSize(int64(size)); cap(b.batch)-len(b.batch) < need {
		b.batch = slices.Grow(b.batch, max(need, len(b.batch))) // twofold, so that little is copied
	}
	dst := appendVarint(b.batch, int64(size))
	dst = append(dst, 0) // attributes
	dst = appendVarint(dst, timestampDelta)
	dst = appendVarint(dst, int64(offsetDelta))
	dst = appendNullable(dst, r.Key)
	dst = appendNullable(dst, r.Value)
	dst = appendVarint(dst, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		dst = appendVarint(dst, int64(len(h.Key)))
		dst = append(dst, h.Key...)
		dst = appendNullable(dst, h.Value)
	}
	b.batch = dst
}

func appendNullable(dst, b []byte) []byte {
	if b == nil {
		return appendVarint(dst, -1)
	}
	return append(appendVarint(dst, int64(len(b))), b...)
}

func nullableSize(b []byte) int {
	if b == nil {
		return 1
	}
	return varintSize(int64(len(b))) + len(b)
}

// Build is the whole batch, in bytes of its own, the CRC right. It fails when
// nothing was added, or more than a batch can hold.
func (b *Builder) Build() ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	batch, err := b.header.batch(b.batch[HeaderSize:])
	if err != nil {
		return nil, err
	}
	return batch.Bytes(), nil
}

// Seal is Build without a copy: a batch that is not compressed is the builder's
// own memory, and good until it is Reset. Nothing may be added any more; Seal
// may be called again after Producer or Place.
func (b *Builder) Seal() ([]byte, error) {
	if b.header.attributes.Codec() != CodecNone {
		return b.Build()
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	b.header.put(b.batch)
	batch := Batch{b.batch[:len(b.batch):len(b.batch)]}
	batch.seal()
	return batch.Bytes(), nil
}

func (b *Builder) check() error {
	switch {
	case b.err != nil:
		return b.err
	case b.header.count == 0:
		return refuse(Invalid, "no records")
	case b.Size() > math.MaxInt32-HeaderSize:
		return refuse(TooLarge, "%d bytes", b.Size())
	}
	return nil
}
