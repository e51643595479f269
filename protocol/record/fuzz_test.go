package record

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// fuzzLimits are small, so that a fuzzer cannot buy time with honest sizes.
var fuzzLimits = Limits{BatchBytesMax: protocol.LimitOf(1 << 20), DecompressedBytesMax: 1 << 20, RecordsMax: 10_000}

// seeds are good batches of each codec, and some that only a broker makes.
func seeds(f *testing.F) (all [][]byte) {
	f.Helper()
	for _, codec := range codecs {
		raw := built(f, codec, someRecords(5)...)
		kept, err := Batch{raw}.Keep(func(i int32) bool { return i%2 == 0 }, wide)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, raw, kept.Bytes())
	}
	empty, err := Batch{all[0]}.Keep(func(int32) bool { return false }, wide)
	if err != nil {
		f.Fatal(err)
	}
	return append(all, empty.Bytes(), kmsgBatch(someRecords(3)), append(bytes.Clone(all[0]), all[1]...))
}

// Goal: no bytes make the gateway panic, and what it lets through, kmsg reads
// the same. The CRC is put right first, or no mutation would get past it.
func FuzzParse(f *testing.F) {
	for _, raw := range seeds(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > HeaderSize {
			Batch{raw}.seal()
		}
		b, err := Parse(raw, fuzzLimits)
		if err != nil {
			if KindOf(err) == 0 {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		if !bytes.Equal(b.Bytes(), raw) {
			t.Fatal("the batch is not the bytes")
		}
		sameHeader(t, b)
		viewed, size, err := View(raw)
		if err != nil || size != len(raw) || !bytes.Equal(viewed.Bytes(), raw) {
			t.Fatalf("parsed but not viewed: %v", err)
		}
		sameAsKmsg(t, b)
	})
}

// Goal: the same for bytes of a log: the first batch, gaps and all.
func FuzzView(f *testing.F) {
	for _, raw := range seeds(f) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		if size, ok := PeekSize(log); ok && size <= len(log) {
			Batch{log[:size]}.seal()
		}
		b, size, err := View(log)
		if size < 0 || err == nil && (size > len(log) || size != b.Size()) {
			t.Fatalf("size %d of %d bytes", size, len(log))
		}
		if err != nil {
			if KindOf(err) == 0 {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		if b.Count() < 0 || b.LastOffset() < b.BaseOffset() || b.NextOffset() <= b.BaseOffset() {
			t.Fatalf("header %+v", b.header())
		}
		sameHeader(t, b)
		sameAsKmsg(t, b)
		kept, err := b.Keep(func(i int32) bool { return i%2 == 1 }, fuzzLimits)
		if err != nil {
			return
		}
		if _, _, err := View(kept.Bytes()); err != nil {
			t.Fatalf("what was kept is no batch: %v", err)
		}
	})
}

// Goal: no stream makes a decoder panic or go over its bound, whatever records
// come out of it. Method: the payload alone is fuzzed, under each codec.
func FuzzOpen(f *testing.F) {
	for _, codec := range codecs {
		b := Batch{built(f, codec, someRecords(5)...)}
		f.Add(uint8(codec), int32(5), b.payload())
		f.Add(uint8(codec), int32(1), compressed(f, codec, recordOf(f, 5000)))
	}
	f.Fuzz(func(t *testing.T, codec uint8, count int32, payload []byte) {
		if len(payload) == 0 || count < 1 {
			return
		}
		b, err := Parse(withPayload(t, Codec(codec%5), count, payload), fuzzLimits)
		if err != nil {
			return
		}
		if records, err := b.Open(fuzzLimits); err == nil {
			if records.Size() > max(fuzzLimits.DecompressedBytesMax, b.Size()) {
				t.Fatalf("%d bytes", records.Size())
			}
			records.Release()
		}
		sameAsKmsg(t, b)
	})
}

// sameHeader compares the accessors with kmsg's reading.
func sameHeader(t *testing.T, b Batch) {
	t.Helper()
	var k kmsg.RecordBatch
	if err := k.ReadFrom(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if int64(b.BaseOffset()) != k.FirstOffset || int32(b.LeaderEpoch()) != k.PartitionLeaderEpoch ||
		b.CRC() != uint32(k.CRC) || int16(b.Attributes()) != k.Attributes || b.LastOffsetDelta() != k.LastOffsetDelta ||
		b.FirstTimestamp() != k.FirstTimestamp || b.MaxTimestamp() != k.MaxTimestamp || int64(b.ProducerID()) != k.ProducerID ||
		int16(b.ProducerEpoch()) != k.ProducerEpoch || int32(b.BaseSequence()) != k.FirstSequence || b.Count() != k.NumRecords ||
		!bytes.Equal(b.payload(), k.Records) {
		t.Fatalf("we read %+v, kmsg %+v", b.header(), k)
	}
}

// sameAsKmsg compares the records, if the batch can be opened, with kmsg's
// reading, and proves that they fill their batch.
func sameAsKmsg(t *testing.T, b Batch) {
	t.Helper()
	records, err := b.Open(fuzzLimits)
	if err != nil {
		if KindOf(err) == 0 {
			t.Fatalf("untyped error: %v", err)
		}
		return
	}
	defer records.Release()
	theirs, err := readByKmsg(records.payload, records.Count())
	if err != nil {
		t.Fatalf("kmsg cannot read what was opened: %v", err)
	}
	if err := sameRecords(read(&records), theirs); err != nil {
		t.Fatal(err)
	}
}
