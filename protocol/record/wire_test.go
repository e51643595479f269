package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// kmsgBatch encodes records as kmsg does, which is another's reading of the
// format.
func kmsgBatch(records []Record) []byte {
	var plain []byte
	base, newest := records[0].Timestamp, records[0].Timestamp
	for i, r := range records {
		newest = max(newest, r.Timestamp)
		k := kmsg.Record{TimestampDelta64: r.Timestamp - base, OffsetDelta: int32(i), Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			k.Headers = append(k.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
		}
		body := k.AppendTo(nil)[1:] // without the length, which was 0
		k.Length = int32(len(body))
		plain = k.AppendTo(plain)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(len(records) - 1),
		FirstTimestamp: base, MaxTimestamp: newest, ProducerID: 7, ProducerEpoch: 3, FirstSequence: 42,
		NumRecords: int32(len(records)), Records: plain, Length: int32(HeaderSize - prefixSize + len(plain)),
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// Goal: the Builder writes what kmsg writes, to the byte. Method: both encode
// the same records.
func TestBuilderWritesTheBytesThatKmsgWrites(t *testing.T) {
	for _, count := range []int{1, 2, 63, 64, 65, 500} {
		records := someRecords(count)
		builder := NewBuilder(CodecNone).Producer(7, 3, 42)
		for _, r := range records {
			builder.Add(r)
		}
		got, err := builder.Build()
		if err != nil {
			t.Fatal(err)
		}
		if want := kmsgBatch(records); !bytes.Equal(got, want) {
			t.Errorf("%d records:\n got %x\nwant %x", count, got, want)
		}
	}
}

// Goal: a batch by kmsg passes the gateway and says what kmsg was told.
func TestParseReadsEveryFieldThatKmsgWrites(t *testing.T) {
	records := someRecords(200)
	raw := kmsgBatch(records)
	b := parsed(t, raw)
	if b.Size() != len(raw) || b.BaseOffset() != 0 || b.LastOffset() != 199 || b.NextOffset() != 200 ||
		b.LastOffsetDelta() != 199 || b.Count() != 200 || b.LeaderEpoch() != -1 || b.Attributes() != 0 ||
		b.ProducerID() != 7 || b.ProducerEpoch() != 3 || b.BaseSequence() != 42 || b.LastSequence() != 241 ||
		b.FirstTimestamp() != records[0].Timestamp || b.CRC() != binary.BigEndian.Uint32(raw[17:]) {
		t.Errorf("header read as %+v", b.header())
	}
	theirs, err := readByKmsg(raw[HeaderSize:], 200)
	if err != nil {
		t.Fatal(err)
	}
	if err := sameRecords(read(opened(t, b)), theirs); err != nil {
		t.Error(err)
	}
}

// Goal: the format does not drift. Method: one batch, its bytes written out
// by hand from the drawing in format.go.
func TestGoldenBatchIsAsDrawn(t *testing.T) {
	const want = "" +
		"0000000000000012" + "0000005a" + "00000005" + "02" + // base offset, length, leader epoch, magic
		"4a18d3f4" + "0000" + "00000001" + // CRC, attributes, last offset delta
		"0000018bcfe56800" + "0000018bcfe56801" + // base and max timestamp
		"0000000000000fa0" + "0002" + "00000009" + "00000002" + // producer, count
		"42" + "00" + "00" + "00" + "02" + "6b" + "0a" + "68656c6c6f" + // k, hello
		"02" + "14" + "6c6f636b2d7772697465" + "12" + "616363743a37403132" + // lock-write: acct:7@12
		"0c" + "00" + "02" + "02" + "01" + "00" + "00" // null key, empty value
	raw, err := NewBuilder(CodecNone).Place(18, 5).Producer(4000, 2, 9).
		Add(Record{Timestamp: 1_700_000_000_000, Key: []byte("k"), Value: []byte("hello"), Headers: []Header{{"lock-write", []byte("acct:7@12")}}}).
		Add(Record{Timestamp: 1_700_000_000_001, Value: []byte{}}).Build()
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", raw); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	b, size, err := View(raw)
	if err != nil || size != len(raw) || b.BaseOffset() != 18 || b.LeaderEpoch() != protocol.LeaderEpoch(5) {
		t.Errorf("viewed as %d bytes, %v", size, err)
	}
}
