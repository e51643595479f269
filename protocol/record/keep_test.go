package record

import (
	"bytes"
	"math"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// drawBatch is any batch that a client can send, and the records in it.
func drawBatch(t *rapid.T) ([]byte, []Record) {
	blob := rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOfN(rapid.Byte(), 0, 200))
	records := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Record {
		return Record{
			Timestamp: rapid.Int64Range(-1, math.MaxInt64).Draw(t, "timestamp"),
			Key:       blob.Draw(t, "key"),
			Value:     blob.Draw(t, "value"),
			Headers: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Header {
				return Header{Key: rapid.String().Draw(t, "header"), Value: blob.Draw(t, "header value")}
			}), 0, 4).Draw(t, "headers"),
		}
	}), 1, 80).Draw(t, "records")
	builder := NewBuilder(rapid.SampledFrom(codecs).Draw(t, "codec"))
	if rapid.Bool().Draw(t, "idempotent") {
		builder.Producer(protocol.ProducerID(rapid.Int64Range(0, math.MaxInt64).Draw(t, "id")),
			protocol.ProducerEpoch(rapid.Int16Range(0, math.MaxInt16).Draw(t, "epoch")),
			protocol.Sequence(rapid.Int32Range(0, math.MaxInt32).Draw(t, "sequence")))
	}
	for _, r := range records {
		builder.Add(r)
	}
	raw, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	return raw, records
}

// asKmsg is what a walk over the records must yield.
func asKmsg(records []Record) []kmsg.Record {
	all := make([]kmsg.Record, len(records))
	for i, r := range records {
		all[i] = kmsg.Record{OffsetDelta: int32(i), TimestampDelta64: r.Timestamp - records[0].Timestamp, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			all[i].Headers = append(all[i].Headers, kmsg.Header{Key: h.Key, Value: h.Value})
		}
	}
	return all
}

// Goal: what is built passes the gateway and is read back the same.
func TestWhatIsBuiltIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, sent := drawBatch(t)
		b, err := Parse(raw, wide)
		if err != nil {
			t.Fatal(err)
		}
		records, err := b.Open(wide)
		if err != nil {
			t.Fatal(err)
		}
		defer records.Release()
		if err := sameRecords(read(&records), asKmsg(sent)); err != nil {
			t.Error(err)
		}
	})
}

// Goal: Cut is Keep in place. Method: any batch, any choice, compared byte for
// byte, but for how a codec feels about writing the same twice.
func TestCutIsKeepInPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, sent := drawBatch(t)
		b, err := Parse(raw, wide)
		if err != nil {
			t.Fatal(err)
		}
		chosen := rapid.SliceOfN(rapid.Bool(), len(sent), len(sent)).Draw(t, "keep")
		keep := func(index int32) bool { return chosen[index] }
		want, err := b.Keep(keep, wide)
		if err != nil {
			t.Fatal(err)
		}
		want = Batch{bytes.Clone(want.b)}
		got, err := b.Cut(keep, wide)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.b, want.b) {
			t.Errorf("%d bytes, want %d", got.Size(), want.Size())
		}
		if _, _, err := View(got.b); err != nil {
			t.Error(err)
		}
	})
}

// Goal: bytes that were never proven are not walked astray.
func TestCutRefusesRecordsThatDoNotFit(t *testing.T) {
	raw, err := NewBuilder(CodecNone).Add(Record{Value: []byte("value")}).Add(Record{Value: []byte("value")}).Build()
	if err != nil {
		t.Fatal(err)
	}
	for _, length := range []byte{0, 1, 2, 0x7e, 0x7f, 0x80, 0xff} {
		bad := Batch{bytes.Clone(raw)}
		bad.b[atRecords] = length
		bad.seal()
		if cut, err := bad.Cut(func(int32) bool { return false }, wide); err == nil {
			t.Errorf("a record of length %d was cut out, and %d bytes were left", length, cut.Size())
		}
	}
}

// Goal: Keep leaves out exactly what it is told to, twice over, and changes
// nothing in the header but the count. Method: any batch, any choice, placed
// as a log would.
func TestKeepLeavesOutExactlyWhatIsRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, sent := drawBatch(t)
		b, err := Parse(raw, wide)
		if err != nil {
			t.Fatal(err)
		}
		b.Place(protocol.Offset(rapid.Int64Range(0, 1<<40).Draw(t, "base")), 3)
		before := bytes.Clone(raw)
		want := asKmsg(sent)
		for range 2 {
			chosen := rapid.SliceOfN(rapid.Bool(), len(want), len(want)).Draw(t, "keep")
			kept, err := b.Keep(func(i int32) bool { return chosen[i] }, wide)
			if err != nil {
				t.Fatal(err)
			}
			var left []kmsg.Record
			for i, r := range want {
				if chosen[i] {
					left = append(left, r)
				}
			}
			checkKept(t, b, kept, left)
			b, want = kept, left
		}
		if !bytes.Equal(raw, before) {
			t.Error("the batch that was kept from has changed")
		}
	})
}

func checkKept(t *rapid.T, b, kept Batch, want []kmsg.Record) {
	t.Helper()
	viewed, size, err := View(append(bytes.Clone(kept.Bytes()), 0xff))
	if err != nil || size != kept.Size() {
		t.Fatalf("view of %d bytes: %d, %v", kept.Size(), size, err)
	}
	was, is := b.header(), viewed.header()
	was.count = int32(len(want))
	if len(want) == 0 {
		was.attributes &^= attrCodec
		if size != HeaderSize {
			t.Errorf("an empty batch of %d bytes", size)
		}
	}
	if is != was {
		t.Errorf("header is %+v, want %+v", is, was)
	}
	if viewed.LastSequence() != b.LastSequence() || viewed.NextOffset() != b.NextOffset() {
		t.Error("last sequence or next offset have moved")
	}
	records, err := viewed.Open(wide)
	if err != nil {
		t.Fatal(err)
	}
	defer records.Release()
	if err := sameRecords(read(&records), want); err != nil {
		t.Error(err)
	}
}

// Goal: a batch of which all is kept is not made again, and one that cannot
// be opened is not kept from.
func TestKeepOfAllIsTheBatchItself(t *testing.T) {
	b := parsed(t, built(t, CodecZstd, someRecords(5)...))
	all := func(int32) bool { return true }
	kept, err := b.Keep(all, wide)
	if err != nil || &kept.Bytes()[0] != &b.Bytes()[0] {
		t.Errorf("a copy; %v", err)
	}
	_, err = b.Keep(all, Limits{DecompressedBytesMax: 10})
	wantKind(t, err, TooLarge)
}

// Goal: a Builder says what it cannot build, and is as new after Reset.
func TestBuilderRefusesAndResets(t *testing.T) {
	builder := NewBuilder(CodecNone)
	_, err := builder.Build()
	wantKind(t, err, Invalid)
	_, err = NewBuilder(9).Add(Record{}).Build()
	wantKind(t, err, UnsupportedCodec)

	first := built(t, CodecGzip, someRecords(3)...)
	builder.Producer(1, 2, 3).Transactional().Control().Place(9, 9).Add(Record{Value: []byte("old")})
	if builder.Count() != 1 || builder.Size() <= HeaderSize {
		t.Errorf("%d records, %d bytes", builder.Count(), builder.Size())
	}
	builder.Reset(CodecGzip)
	for _, r := range someRecords(3) {
		builder.Add(r)
	}
	second, err := builder.Build()
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("the second batch differs; %v", err)
	}
}
