package record

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
)

// Goal: whatever a producer has no business to send is refused with the right
// kind. Method: one good batch of three records, broken in one place each.
func TestParseRefuses(t *testing.T) {
	be := binary.BigEndian
	for _, c := range []struct {
		name  string
		kind  Kind
		crack func(b []byte) []byte // keeps the CRC right unless it says otherwise
	}{
		{"nothing", Corrupt, func(b []byte) []byte { return nil }},
		{"less than a length", Corrupt, func(b []byte) []byte { return b[:11] }},
		{"less than a header", Truncated, func(b []byte) []byte { return b[:60] }},
		{"less than itself", Truncated, func(b []byte) []byte { return b[:len(b)-1] }},
		{"a byte behind it", Invalid, func(b []byte) []byte { return append(b, 0) }},
		{"another batch behind it", Invalid, func(b []byte) []byte { return append(b, b...) }},
		{"a length below the header's", Corrupt, func(b []byte) []byte { be.PutUint32(b[atLength:], 48); return b }},
		{"a negative length", Corrupt, func(b []byte) []byte { be.PutUint32(b[atLength:], 1<<31); return b }},
		{"the greatest length", Corrupt, func(b []byte) []byte { be.PutUint32(b[atLength:], math.MaxInt32); return b }},
		{"a length over the limit", TooLarge, func(b []byte) []byte { be.PutUint32(b[atLength:], 1<<30); return b }},
		{"magic 0", UnsupportedFormat, func(b []byte) []byte { b[atMagic] = 0; return b }},
		{"magic 1", UnsupportedFormat, func(b []byte) []byte { b[atMagic] = 1; return b }},
		{"magic 3", Corrupt, func(b []byte) []byte { b[atMagic] = 3; return b }},
		{"magic -1", Corrupt, func(b []byte) []byte { b[atMagic] = 255; return b }},
		{"another CRC", Corrupt, func(b []byte) []byte { b[atCRC] ^= 1; return b }},
		{"a control batch", Invalid, attr(attrControl)},
		{"a transactional control batch", Invalid, attr(attrControl | attrTransactional)},
		{"a delete horizon", Invalid, attr(attrDeleteHorizon)},
		{"attribute bit 7", Invalid, attr(1 << 7)},
		{"attribute bit 15", Invalid, attr(math.MinInt16)},
		{"codec 5", UnsupportedCodec, attr(5)},
		{"codec 7", UnsupportedCodec, attr(7)},
		{"transactional without a producer", NoTransaction, attr(attrTransactional)},
		{"log append time", InvalidTimestamp, attr(attrLogAppendTime)},
		{"a forged base offset", Invalid, put64(atBaseOffset, 1000)},
		{"a negative base offset", Invalid, put64(atBaseOffset, -1)},
		{"no records", Invalid, put32(atCount, 0)},
		{"a negative count", Invalid, put32(atCount, -1)},
		{"fewer records than offsets", Invalid, put32(atCount, 2)},
		{"more records than offsets", Invalid, put32(atCount, 4)},
		{"last offset delta -1", Invalid, put32(atLastOffsetDelta, -1)},
		{"last offset delta 0", Invalid, put32(atLastOffsetDelta, 0)},
		{"last offset delta 3", Invalid, put32(atLastOffsetDelta, 3)},
		{"more records than could be in its bytes", Invalid, counts(100)},
		{"producer id -2", Invalid, put64(atProducerID, -2)},
		{"a producer without an epoch", Invalid, producer(5, -1, 0)},
		{"a producer without a sequence", Invalid, producer(5, 0, -1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := c.crack(built(t, CodecNone, someRecords(3)...))
			_, err := Parse(raw, Limits{BatchBytesMax: protocol.LimitOf(1 << 20)})
			wantKind(t, err, c.kind)
		})
	}
}

func attr(a Attributes) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint16(b[atAttributes:], uint16(a))
		return sealed(b)
	}
}

func put64(at int, v int64) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint64(b[at:], uint64(v))
		return sealed(b)
	}
}

func put32(at int, v int32) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[at:], uint32(v))
		return sealed(b)
	}
}

func counts(n int32) func([]byte) []byte {
	return func(b []byte) []byte { return put32(atLastOffsetDelta, n-1)(put32(atCount, n)(b)) }
}

func producer(id protocol.ProducerID, epoch protocol.ProducerEpoch, sequence protocol.Sequence) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint64(b[atProducerID:], uint64(id))
		binary.BigEndian.PutUint16(b[atProducerEpoch:], uint16(epoch))
		binary.BigEndian.PutUint32(b[atBaseSequence:], uint32(sequence))
		return sealed(b)
	}
}

// Goal: oddities that clients in the field do send are let through.
func TestParseAcceptsWhatClientsSend(t *testing.T) {
	for _, c := range []struct {
		name string
		bend func(b []byte) []byte
	}{
		{"a time of Go's zero, the year 1", put64(atMaxTimestamp, -62135596800000)},
		{"a base before 1970", put64(atBaseTimestamp, -2)},
		{"sarama without idempotence: sequence 0", producer(-1, -1, 0)},
		{"kafkajs without idempotence: epoch 0, sequence 0", producer(-1, 0, 0)},
		{"the last sequence before the wrap", producer(5, math.MaxInt16, math.MaxInt32)},
		{"no timestamps", func(b []byte) []byte { return put64(atBaseTimestamp, -1)(put64(atMaxTimestamp, -1)(b)) }},
		{"the year 9999, which is the broker's to judge", put64(atMaxTimestamp, 253402300799999)},
		{"a leader epoch", put32(atLeaderEpoch, 12)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Parse(c.bend(built(t, CodecNone, someRecords(3)...)), Limits{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Goal: each limit is exact.
func TestLimitsAreInclusive(t *testing.T) {
	raw := built(t, CodecGzip, someRecords(30)...)
	plain := opened(t, parsed(t, raw)).Size()
	exact := Limits{BatchBytesMax: protocol.LimitOf(int64(len(raw))), RecordsMax: 30, DecompressedBytesMax: plain}
	b, err := Parse(raw, exact)
	if err != nil {
		t.Fatal(err)
	}
	records, err := b.Open(exact)
	if err != nil {
		t.Fatal(err)
	}
	records.Release()
	_, err = Parse(raw, Limits{BatchBytesMax: protocol.LimitOf(int64(len(raw)) - 1)})
	wantKind(t, err, TooLarge)
	_, err = Parse(raw, Limits{BatchBytesMax: protocol.LimitOf(0)})
	wantKind(t, err, TooLarge)
	_, err = Parse(raw, Limits{RecordsMax: 29})
	wantKind(t, err, TooLarge)
	_, err = b.Open(Limits{RecordsMax: 29})
	wantKind(t, err, TooLarge)
	_, err = b.Open(Limits{DecompressedBytesMax: plain - 1})
	wantKind(t, err, TooLarge)
}

// Goal: sequences wrap as Kafka's do.
func TestLastSequenceWrapsToZero(t *testing.T) {
	for _, c := range []struct{ base, last protocol.Sequence }{
		{0, 2}, {math.MaxInt32 - 2, math.MaxInt32}, {math.MaxInt32 - 1, 0}, {math.MaxInt32, 1}, {-1, -1},
	} {
		b := Batch{producer(5, 0, c.base)(built(t, CodecNone, someRecords(3)...))}
		if b.LastSequence() != c.last {
			t.Errorf("3 records from %d end with %d, want %d", c.base, b.LastSequence(), c.last)
		}
	}
}

// Goal: the gateway costs no allocation for a good batch, nor does the walk.
func TestParseOpenAndWalkAllocateNothing(t *testing.T) {
	raw := built(t, CodecNone, someRecords(100)...)
	allocs := testing.AllocsPerRun(100, func() {
		b, err := Parse(raw, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		records, err := b.Open(Limits{})
		if err != nil {
			t.Fatal(err)
		}
		lockBytes(&records)
		records.Release()
		b.Place(0, 5)
		if b.MentionsLocks() {
			t.Fatal("no locks here")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
