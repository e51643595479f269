package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// wide are limits that stand in nobody's way.
var wide = Limits{BatchBytesMax: protocol.LimitOf(1 << 30)}

var codecs = []Codec{CodecNone, CodecGzip, CodecSnappy, CodecLz4, CodecZstd}

// someRecords are count records with every kind of key, value and header.
func someRecords(count int) []Record {
	records := make([]Record, count)
	for i := range records {
		r := &records[i]
		r.Timestamp = 1_700_000_000_000 + int64(i*37%11) - 5
		switch i % 4 {
		case 0:
			r.Key, r.Value = fmt.Appendf(nil, "key-%d", i), bytes.Repeat([]byte("value "), i%300)
		case 1:
			r.Key, r.Value = nil, []byte("null key")
		case 2:
			r.Key, r.Value = []byte("null value"), nil
		case 3:
			r.Key, r.Value = []byte{}, []byte{}
		}
		for h := range i % 3 {
			r.Headers = append(r.Headers, Header{Key: fmt.Sprintf("h%d", h), Value: fmt.Appendf(nil, "v%d", i)})
		}
		if i%7 == 0 {
			r.Headers = append(r.Headers, Header{Key: "", Value: nil}, Header{Key: "empty", Value: []byte{}})
		}
	}
	return records
}

// built is a plain client's batch of the records.
func built(t testing.TB, codec Codec, records ...Record) []byte {
	t.Helper()
	builder := NewBuilder(codec)
	for _, r := range records {
		builder.Add(r)
	}
	raw, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parsed(t testing.TB, raw []byte) Batch {
	t.Helper()
	b, err := Parse(raw, wide)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func opened(t testing.TB, b Batch) *Records {
	t.Helper()
	records, err := b.Open(wide)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(records.Release)
	return &records
}

// sealed puts the length and the CRC right, so that what a test broke is all
// that is wrong.
func sealed(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[atLength:], uint32(len(raw)-prefixSize))
	Batch{raw}.seal()
	return raw
}

// withPayload is a batch of one record with other bytes where its records were.
func withPayload(t testing.TB, codec Codec, count int32, payload []byte) []byte {
	t.Helper()
	raw := built(t, CodecNone, Record{Value: []byte("x")})
	raw = append(raw[:HeaderSize:HeaderSize], payload...)
	binary.BigEndian.PutUint16(raw[atAttributes:], uint16(codec))
	binary.BigEndian.PutUint32(raw[atCount:], uint32(count))
	binary.BigEndian.PutUint32(raw[atLastOffsetDelta:], uint32(count-1))
	return sealed(raw)
}

// compressed is the bytes under a codec, by our own encoder.
func compressed(t testing.TB, codec Codec, plain []byte) []byte {
	t.Helper()
	b, err := Compression{Codec: codec}.appendTo(nil, plain)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantKind fails unless err is of the kind.
func wantKind(t testing.TB, err error, kind Kind) {
	t.Helper()
	if KindOf(err) != kind {
		t.Errorf("got %v, want an error of kind %q", err, kind)
	}
}

// read lists the records of an opened batch in kmsg's words.
func read(records *Records) []kmsg.Record {
	var all []kmsg.Record
	w := records.Walk()
	for w.Next() {
		r := kmsg.Record{OffsetDelta: w.OffsetDelta, TimestampDelta: int32(w.TimestampDelta), TimestampDelta64: w.TimestampDelta, Key: w.Key, Value: w.Value}
		h := w.Headers()
		for range w.HeaderCount {
			key, value, ok := h.Next()
			if !ok {
				panic("fewer headers than were counted")
			}
			r.Headers = append(r.Headers, kmsg.Header{Key: string(key), Value: value})
		}
		if _, _, ok := h.Next(); ok {
			panic("more headers than were counted")
		}
		all = append(all, r)
	}
	return all
}

// readByKmsg lists the records of plain bytes as kmsg decodes them.
func readByKmsg(plain []byte, count int32) ([]kmsg.Record, error) {
	all := make([]kmsg.Record, 0, min(int(count), len(plain)))
	for range count {
		size, at := short(plain, 0)
		if size >= tooLong {
			size, at = uvarint(plain, 0, 32)
		}
		end := at + int(unzigzag(size))
		if at < 0 || end < at || end > len(plain) {
			return nil, fmt.Errorf("record of %d bytes in %d", end, len(plain))
		}
		r := kmsg.NewRecord()
		if err := r.ReadFrom(plain[:end]); err != nil {
			return nil, err
		}
		all, plain = append(all, r), plain[end:]
	}
	if len(plain) > 0 {
		return nil, fmt.Errorf("%d bytes left", len(plain))
	}
	return all, nil
}

// sameRecords reports whether two lists say the same, null being other than
// empty.
func sameRecords(a, b []kmsg.Record) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d records and %d", len(a), len(b))
	}
	same := func(x, y []byte) bool { return bytes.Equal(x, y) && (x == nil) == (y == nil) }
	for i := range a {
		x, y := &a[i], &b[i]
		ok := x.OffsetDelta == y.OffsetDelta && x.TimestampDelta64 == y.TimestampDelta64 &&
			same(x.Key, y.Key) && same(x.Value, y.Value) && len(x.Headers) == len(y.Headers)
		for h := 0; ok && h < len(x.Headers); h++ {
			ok = x.Headers[h].Key == y.Headers[h].Key && same(x.Headers[h].Value, y.Headers[h].Value)
		}
		if !ok {
			return fmt.Errorf("record %d is %+v and %+v", i, *x, *y)
		}
	}
	return nil
}
