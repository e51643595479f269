package record

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"
)

// Goal: records that lie about themselves are refused, in every codec. Method:
// payloads written out; the CRC over them is right.
func TestOpenRefusesRecordsThatLie(t *testing.T) {
	for _, c := range []struct {
		name    string
		count   int32
		payload string // hex
	}{
		{"a length beyond the batch", 1, "0e 00 00 00 01 01 00"},
		{"a length short of its fields", 1, "0a 00 00 00 01 01 00"},
		{"a length beyond its fields", 1, "0e 00 00 00 01 01 00 00"},
		{"a length of 0", 1, "00 00 00 00 01 01 00"},
		{"a negative length", 1, "01 00 00 00 01 01 00"},
		{"a length of 2^31-1", 1, "fe ff ff ff 0f 00 00 00 01 01 00"},
		{"a length of six bytes", 1, "8c 80 80 80 80 00 00 00 00 01 01 00"},
		{"a length of over 32 bits", 1, "8c 80 80 80 10 00 00 00 01 01 00"},
		{"a length that never ends", 1, "ff ff ff ff ff ff ff ff"},
		{"fewer records than counted", 2, "1a 00 00 00 01 0e 61 61 61 61 61 61 61 00"},
		{"one and a half of two records", 2, "0e 00 00 00 01 02 61 00 0c 00 00 02 01 01"},
		{"more bytes than records", 1, "0c 00 00 00 01 01 00 00"},
		{"more records than counted", 1, "0c 00 00 00 01 01 00 0c 00 00 02 01 01 00"},
		{"an offset twice", 2, "0c 00 00 00 01 01 00 0c 00 00 00 01 01 00"},
		{"an offset left out", 2, "0c 00 00 00 01 01 00 0c 00 00 04 01 01 00"},
		{"offsets that fall", 2, "0c 00 00 02 01 01 00 0c 00 00 00 01 01 00"},
		{"a negative offset", 1, "0c 00 00 01 01 01 00"},
		{"a time delta over 64 bits", 1, "1e 00 ff ff ff ff ff ff ff ff ff 02 00 01 01 00"},
		{"a key beyond the record", 1, "0c 00 00 00 06 01 00"},
		{"a key of length -2", 1, "0c 00 00 00 03 01 00"},
		{"a key of length 2^31-1", 1, "14 00 00 00 fe ff ff ff 0f 01 00"},
		{"a value beyond the record", 1, "0c 00 00 00 01 08 00"},
		{"a value beyond its record, into the next", 2, "0c 00 00 00 01 0c 00 0c 00 00 02 01 01 00"},
		{"a value of length -2", 1, "0c 00 00 00 01 03 00"},
		{"a negative count of headers", 1, "0c 00 00 00 01 01 01"},
		{"2^31-1 headers", 1, "14 00 00 00 01 01 fe ff ff ff 0f"},
		{"a header that is not there", 1, "0c 00 00 00 01 01 02"},
		{"half a header", 1, "0e 00 00 00 01 01 02 00"},
		{"a header's null key", 1, "10 00 00 00 01 01 02 01 01"},
		{"a header's key beyond the record", 1, "10 00 00 00 01 01 02 04 01"},
		{"a header's value beyond the record", 1, "10 00 00 00 01 01 02 00 02"},
		{"a header's value of length -2", 1, "10 00 00 00 01 01 02 00 03"},
		{"a byte behind the headers", 1, "12 00 00 00 01 01 02 00 01 00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			payload, err := hex.DecodeString(strings.ReplaceAll(c.payload, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			for _, codec := range codecs {
				b := parsed(t, withPayload(t, codec, c.count, compressed(t, codec, payload)))
				_, err := b.Open(wide)
				wantKind(t, err, Invalid)
			}
		})
	}
}

// Goal: numbers longer than need be are read, as all clients do.
func TestOpenReadsOverlongNumbers(t *testing.T) {
	payload, _ := hex.DecodeString("9e8000" + "00" + "808000" + "808000" + "8280808000" + "6b" + "8100" + "80808000")
	payload[0] = byte(2*(len(payload)-3)) | 0x80
	records := opened(t, parsed(t, withPayload(t, CodecNone, 1, payload)))
	w := records.Walk()
	if !w.Next() || string(w.Key) != "k" || w.Value != nil || w.HeaderCount != 0 || w.OffsetDelta != 0 || len(w.Raw) != len(payload) {
		t.Errorf("read %+v", w)
	}
}

// Goal: nothing is lost at the edges of numbers.
func TestRecordsSurviveExtremes(t *testing.T) {
	sent := []Record{
		{Timestamp: 0},
		{Timestamp: math.MaxInt64, Key: make([]byte, 1<<13-1)},
		{Timestamp: math.MinInt64, Key: make([]byte, 1<<13), Value: make([]byte, 1<<20)},
		{Timestamp: 1, Value: make([]byte, 63), Headers: make([]Header, 10_000)},
		{Timestamp: -1, Value: make([]byte, 64), Headers: []Header{{Key: strings.Repeat("k", 1<<16), Value: make([]byte, 1<<20)}}},
	}
	b := Batch{built(t, CodecNone, sent...)}
	records := opened(t, b)
	w := records.Walk()
	for w.Next() {
		want := sent[w.Index]
		if w.TimestampDelta != want.Timestamp || len(w.Key) != len(want.Key) || len(w.Value) != len(want.Value) || w.HeaderCount != len(want.Headers) {
			t.Errorf("record %d: time %d, key %d, value %d, headers %d", w.Index, w.TimestampDelta, len(w.Key), len(w.Value), w.HeaderCount)
		}
		h := w.Headers()
		for i := range want.Headers {
			if key, value, ok := h.Next(); !ok || string(key) != want.Headers[i].Key || len(value) != len(want.Headers[i].Value) {
				t.Errorf("record %d header %d: %d, %d, %v", w.Index, i, len(key), len(value), ok)
			}
		}
	}
	if least, greatest := records.TimestampDeltas(); least != math.MinInt64 || greatest != math.MaxInt64 {
		t.Errorf("time deltas from %d to %d", least, greatest)
	}
}

// Goal: null and empty are two things.
func TestNullIsNotEmpty(t *testing.T) {
	records := opened(t, parsed(t, built(t, CodecNone, Record{Key: []byte{}, Headers: []Header{{Key: "null"}, {"empty", []byte{}}}})))
	w := records.Walk()
	w.Next()
	h := w.Headers()
	_, null, _ := h.Next()
	_, empty, _ := h.Next()
	if w.Key == nil || w.Value != nil || null != nil || empty == nil {
		t.Errorf("key %v, value %v, headers %v and %v", w.Key, w.Value, null, empty)
	}
}

// Goal: an uncompressed batch is not copied, and the slices got from it cannot
// be appended into their neighbours.
func TestUncompressedRecordsAliasTheBatch(t *testing.T) {
	b := parsed(t, built(t, CodecNone, Record{Key: []byte("k"), Value: []byte("v")}))
	records := opened(t, b)
	w := records.Walk()
	w.Next()
	if &w.Raw[0] != &b.Bytes()[HeaderSize] {
		t.Error("the record is a copy")
	}
	if cap(w.Key) != 1 || cap(w.Value) != 1 || cap(w.Raw) != len(w.Raw) {
		t.Error("appending to a key would write over what follows")
	}
}

// Goal: Release may be called twice, and the zero values do nothing.
func TestReleasingTwiceDoesNoHarm(t *testing.T) {
	b := parsed(t, built(t, CodecGzip, someRecords(10)...))
	records, err := b.Open(wide)
	if err != nil {
		t.Fatal(err)
	}
	records.Release()
	records.Release()
	w := records.Walk()
	if w.Next() || records.Count() != 0 {
		t.Error("released records are walked")
	}
	var none Records
	none.Release()
	if !(Batch{}).IsZero() || (Batch{}).Size() != 0 || b.IsZero() {
		t.Error("zero batches")
	}
}
