package broker

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

var codecs = []record.Codec{record.CodecNone, record.CodecGzip, record.CodecSnappy, record.CodecLz4, record.CodecZstd}

// stored is the batch of t-0 that holds an offset, as a reader gets it.
func (w *wire) stored(offset int64) record.Batch {
	w.t.Helper()
	part := ask[*kmsg.FetchResponse](w, 11, asksFor(offset, 1)).Topics[0].Partitions[0]
	b, _, err := record.View(part.RecordBatches)
	if err != nil || part.ErrorCode != 0 {
		w.t.Fatalf("offset %d: code %d, %v", offset, part.ErrorCode, err)
	}
	return b
}

// payload is the opened records of a batch.
func payload(t *testing.T, b record.Batch) (raw []byte) {
	t.Helper()
	records, err := b.Open(record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Release()
	for w := records.Walk(); w.Next(); {
		raw = append(raw, w.Raw...)
	}
	return raw
}

// TestATopicsCompressionIsCarriedOut: each codec that a client may send, into
// topics of each. What has the topic's codec stays byte for byte.
func TestATopicsCompressionIsCarriedOut(t *testing.T) {
	s, _ := startServer(t)
	now := nowMs()
	records := make([]record.Record, 50)
	for i := range records {
		records[i] = record.Record{Timestamp: now + int64(i), Key: fmt.Append(nil, i), Value: bytes.Repeat([]byte("value "), i)}
	}
	for name, want := range map[string]record.Codec{
		"producer": -1, "uncompressed": record.CodecNone, "gzip": record.CodecGzip, "snappy": record.CodecSnappy, "lz4": record.CodecLz4, "zstd": record.CodecZstd,
	} {
		for _, sent := range codecs {
			t.Run(fmt.Sprint(sent, " to ", name), func(t *testing.T) {
				w := dial(t, s.Addr(""))
				w.createTopic("t", 1, "compression.type", name)
				defer ask[*kmsg.DeleteTopicsResponse](w, 5, deleteTopicRequest("t"))
				raw := batchOf(t, sent, records...)
				if got := w.sends("t", raw); got.ErrorCode != 0 {
					t.Fatalf("code %d: %s", got.ErrorCode, text(got.ErrorMessage))
				}
				b, codec := w.stored(0), want
				if want < 0 {
					codec = sent
				}
				if b.Codec() != codec || b.Count() != 50 || b.MaxTimestamp() != now+49 {
					t.Errorf("%d records by %s, up to time %d", b.Count(), b.Codec(), b.MaxTimestamp())
				}
				if codec == sent && !bytes.Equal(b.Bytes()[21:], raw[21:]) { // behind the CRC
					t.Error("a batch that had the codec was written anew")
				}
				original, err := record.Parse(raw, record.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(payload(t, b), payload(t, original)) {
					t.Error("the records are others")
				}
			})
		}
	}
}

// TestALevelIsCarriedOut, and so is a change of it.
func TestALevelIsCarriedOut(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	var values strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&values, `{"id":%d,"amount":%d,"note":"x%x"},`, i, i*7919%100000, i*2654435761)
	}
	for codec, levels := range map[string][]string{"gzip": {"1", "9"}, "lz4": {"9", "17"}, "zstd": {"1", "19"}} {
		w.createTopic("t", 1, "compression.type", codec, "compression."+codec+".level", levels[0])
		var sizes []int
		for i, level := range levels {
			w.change(ofTopic, "t", opSet, "compression."+codec+".level", level)
			if got := w.sends("t", batchOf(t, record.CodecNone, record.Record{Timestamp: nowMs(), Value: []byte(values.String())})); got.ErrorCode != 0 {
				t.Fatalf("code %d: %s", got.ErrorCode, text(got.ErrorMessage))
			}
			sizes = append(sizes, w.stored(int64(i)).Size())
		}
		if sizes[1] >= sizes[0] {
			t.Errorf("%s: %d bytes with level %s, %d with %s", codec, sizes[0], levels[0], sizes[1], levels[1])
		}
		ask[*kmsg.DeleteTopicsResponse](w, 5, deleteTopicRequest("t"))
	}
}

// TestARecompressedBatchKeepsItsSequenceItsLocksAndItsVerdicts: none of them
// sees in which bytes the records lie.
func TestARecompressedBatchKeepsItsSequenceItsLocksAndItsVerdicts(t *testing.T) {
	s, _ := startServer(t)
	for _, name := range []string{"uncompressed", "gzip", "zstd"} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, s.Addr(""))
			w.createTopic("t", 1, "compression.type", name)
			defer ask[*kmsg.DeleteTopicsResponse](w, 5, deleteTopicRequest("t"))
			asked := []byte{protocol.VerdictsVersion}
			first := conditional(t, 0, []string{"lock-write=x", "lock-basis=none", "lock-id=one"})
			mixed := conditional(t, 1,
				[]string{"lock-write=x", "lock-basis=none"},
				[]string{"lock-write=y", "lock-basis=0", "lock-id=two"},
				[]string{"lock-write=x", "lock-basis=none", "lock-id=one"})
			for _, step := range []struct {
				what  string
				batch []byte
				want  string
			}{
				{"the first", first, "code 0 base 0, 0 verdicts"},
				{"it again", first, "code 0 base 0, 0 verdicts"},
				{"a gap", conditional(t, 9, []string{}), "code 45 base -1"},
				{"one refused, one in, one repeated", mixed,
					"code 0 base 1, 2 verdicts; 0+1 at none CONFLICT lock=x last=0 basis=none by=one record=0; 2+1 at 0 "},
				{"it again", mixed,
					"code 0 base 1, 2 verdicts; 0+1 at none CONFLICT lock=x last=0 basis=none by=one record=0; 2+1 at 0 "},
				{"the next", conditional(t, 4, []string{}), "code 0 base 4, 0 verdicts"},
			} {
				if got := w.verdictsOf(9, -1, asked, bytes.Clone(step.batch)); got != step.want {
					t.Errorf("%s: got  %s\nwant %s", step.what, got, step.want)
				}
			}
			for _, at := range []int64{0, 1, 4} {
				if b := w.stored(at); fmt.Sprint(b.Codec()) != strings.Replace(name, "uncompressed", "none", 1) || b.Count() != 1 || b.ProducerID() != 7000 {
					t.Errorf("offset %d: %d records of producer %d by %s", at, b.Count(), b.ProducerID(), b.Codec())
				}
			}
			w.sends("t", first)
		})
	}
}

// TestARecompressedBatchIsStampedByTheBroker where the topic says so.
func TestARecompressedBatchIsStampedByTheBroker(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1, "compression.type", "lz4", "message.timestamp.type", "LogAppendTime")
	got := w.sends("t", batchOf(t, record.CodecZstd, stamped("", 5), stamped("", 7)))
	b := w.stored(0)
	if got.ErrorCode != 0 || !b.LogAppendTime() || b.Codec() != record.CodecLz4 || b.MaxTimestamp() != got.LogAppendTime || got.LogAppendTime < 1000 {
		t.Errorf("code %d, time %d: the log has %s, log append time %v, %d", got.ErrorCode, got.LogAppendTime, b.Codec(), b.LogAppendTime(), b.MaxTimestamp())
	}
}

// TestWhatIsTooLargeOnceWrittenIsRefused, as in Kafka: clients then split the batch.
func TestWhatIsTooLargeOnceWrittenIsRefused(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1, "compression.type", "uncompressed", "max.message.bytes", "10000")
	large := record.Record{Timestamp: nowMs(), Value: make([]byte, 20_000)}
	if got := w.sends("t", batchOf(t, record.CodecZstd, large)); got.ErrorCode != kerr.MessageTooLarge.Code {
		t.Errorf("code %d", got.ErrorCode)
	}
	large.Value = large.Value[:5000]
	if got := w.sends("t", batchOf(t, record.CodecZstd, large)); got.ErrorCode != 0 {
		t.Errorf("code %d: %s", got.ErrorCode, text(got.ErrorMessage))
	}
}

// TestOldReadersAreToldOfZstd, which they do not know (KIP-110).
func TestOldReadersAreToldOfZstd(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1, "compression.type", "zstd")
	if got := w.sends("t", batchOf(t, record.CodecNone, stamped("", nowMs()))); got.ErrorCode != 0 {
		t.Fatalf("code %d", got.ErrorCode)
	}
	for version, want := range map[int16]int16{9: kerr.UnsupportedCompressionType.Code, 10: 0} {
		if got := ask[*kmsg.FetchResponse](w, version, asksFor(0, 1)).Topics[0].Partitions[0]; got.ErrorCode != want {
			t.Errorf("version %d: code %d, want %d", version, got.ErrorCode, want)
		}
	}
}
