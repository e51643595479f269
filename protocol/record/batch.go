package record

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/lockstep-log/lockstep/protocol"
)

// Batch is a validated view over the bytes of exactly one batch.
//
// It is a value, costs nothing to copy and aliases the bytes that Parse or
// View was given; every accessor reads them in place. The zero Batch has no
// bytes and none of its accessors may be called but IsZero, Bytes and Size.
// It is safe for concurrent readers as long as nobody calls Place,
// StampLogAppendTime or changes the bytes.
//
// Invariants: len(b) >= HeaderSize and equals the batch's own length field;
// magic 2; the CRC matches; 0 <= Count() <= LastOffsetDelta()+1; the codec is
// known; a batch without records has no bytes behind its header.
type Batch struct {
	b []byte
}

// IsZero reports whether there is no batch here.
func (b Batch) IsZero() bool { return b.b == nil }

// Bytes are the batch as it stands on the wire and on disk; not a copy.
func (b Batch) Bytes() []byte { return b.b }

// Size is the number of Bytes.
func (b Batch) Size() int { return len(b.b) }

// BaseOffset is the offset that offset deltas count from.
func (b Batch) BaseOffset() protocol.Offset { return protocol.Offset(b.int64(atBaseOffset)) }

// LastOffset is the offset of the last record written into this batch, be the
// record still in it or not.
func (b Batch) LastOffset() protocol.Offset {
	return b.BaseOffset() + protocol.Offset(b.LastOffsetDelta())
}

// NextOffset is where the batch behind this one starts at the earliest.
func (b Batch) NextOffset() protocol.Offset { return b.LastOffset() + 1 }

// LastOffsetDelta is LastOffset - BaseOffset.
func (b Batch) LastOffsetDelta() int32 { return b.int32(atLastOffsetDelta) }

// Count is the number of records in the batch. It is below LastOffsetDelta+1
// where records were left out.
func (b Batch) Count() int32 { return b.int32(atCount) }

// LeaderEpoch is the epoch of the leader that placed the batch.
func (b Batch) LeaderEpoch() protocol.LeaderEpoch {
	return protocol.LeaderEpoch(b.int32(atLeaderEpoch))
}

// CRC is the stored checksum, which was found to match.
func (b Batch) CRC() uint32 { return binary.BigEndian.Uint32(b.b[atCRC:]) }

// Attributes are the batch's flags.
func (b Batch) Attributes() Attributes {
	return Attributes(binary.BigEndian.Uint16(b.b[atAttributes:]))
}

// Codec is how the records are compressed.
func (b Batch) Codec() Codec { return b.Attributes().Codec() }

// Control reports whether this is a control batch: its records are not data.
func (b Batch) Control() bool { return b.Attributes().Control() }

// Transactional reports whether the batch belongs to a transaction.
func (b Batch) Transactional() bool { return b.Attributes().Transactional() }

// Carried reports whether lock headers of the batch were stored as any others,
// since its topic held copies (conflict.policy=carry): they were not judged.
func (b Batch) Carried() bool { return b.Attributes().Carried() }

// LogAppendTime reports whether MaxTimestamp stands for every record's time.
func (b Batch) LogAppendTime() bool { return b.Attributes().LogAppendTime() }

// FirstTimestamp is what timestamp deltas count from, in ms since 1970; -1
// where the producer gave no time.
func (b Batch) FirstTimestamp() int64 { return b.int64(atBaseTimestamp) }

// MaxTimestamp is the newest time in the batch, in ms since 1970, as its
// producer claims or as StampLogAppendTime wrote it.
func (b Batch) MaxTimestamp() int64 { return b.int64(atMaxTimestamp) }

// ProducerID is the idempotent producer's, or protocol.NoProducer; then epoch
// and sequence mean nothing and hold whatever the client left there.
func (b Batch) ProducerID() protocol.ProducerID { return protocol.ProducerID(b.int64(atProducerID)) }

// ProducerEpoch is the epoch of the producer id.
func (b Batch) ProducerEpoch() protocol.ProducerEpoch {
	return protocol.ProducerEpoch(binary.BigEndian.Uint16(b.b[atProducerEpoch:]))
}

// BaseSequence is the sequence of the first record written into the batch.
func (b Batch) BaseSequence() protocol.Sequence { return protocol.Sequence(b.int32(atBaseSequence)) }

// LastSequence is the sequence of the last record written into the batch.
// Sequences wrap from math.MaxInt32 to 0. Without a base sequence it is -1.
func (b Batch) LastSequence() protocol.Sequence {
	base := b.BaseSequence()
	if base < 0 {
		return -1
	}
	return protocol.Sequence((int64(base) + int64(b.LastOffsetDelta())) & math.MaxInt32)
}

// walkBytes is how large records are, on average, that are cheaper to step over
// than to search.
const walkBytes = 256

var lockPrefix = []byte(protocol.LockPrefix)

// MentionsLocks reports whether a record of the batch may have a lock header.
// False is certain. For a compressed batch it is always true: only opening it
// can tell.
func (b Batch) MentionsLocks() bool {
	if b.Codec() != CodecNone {
		return b.Count() > 0
	}
	if len(b.payload()) < walkBytes*int(b.Count()) {
		return bytes.Contains(b.payload(), lockPrefix)
	}
	// To step from record to record is several times cheaper than to look for the
	// prefix in all their bytes.
	w := Walker{Index: -1, payload: b.payload(), left: b.Count()}
	for w.Next() {
		if len(w.headers) >= len(lockPrefix) && bytes.Contains(w.headers, lockPrefix) {
			return true
		}
	}
	return w.left > 0
}

// payload is what follows the header.
func (b Batch) payload() []byte { return b.b[atRecords:] }

func (b Batch) int32(at int) int32 { return int32(binary.BigEndian.Uint32(b.b[at:])) }
func (b Batch) int64(at int) int64 { return int64(binary.BigEndian.Uint64(b.b[at:])) }
