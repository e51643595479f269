package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// batchOf is a plain producer's batch.
func batchOf(t *testing.T, codec record.Codec, records ...record.Record) []byte {
	t.Helper()
	b := record.NewBuilder(codec)
	for _, r := range records {
		b.Add(r)
	}
	raw, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// sends produces a batch to partition 0 and returns the answer.
func (w *wire) sends(topic string, batch []byte) kmsg.ProduceResponseTopicPartition {
	w.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 1000
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Records = batch
	req.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{rp}}}
	return ask[*kmsg.ProduceResponse](w, 9, req).Topics[0].Partitions[0]
}

func stamped(key string, ms int64) record.Record {
	r := record.Record{Timestamp: ms, Value: []byte("v")}
	if key != "" {
		r.Key = []byte(key)
	}
	return r
}

// TestEveryRecordThatATopicDoesNotTakeIsNamed: a client blames those that the
// answer names and has the application send the others again; one that is not
// named is refused for ever.
func TestEveryRecordThatATopicDoesNotTakeIsNamed(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	limits := []string{"message.timestamp.before.max.ms", "3600000", "message.timestamp.after.max.ms", "60000"}
	w.createTopic("timed", 1, limits...)
	w.createTopic("compacted", 1, append(limits, "cleanup.policy", "compact")...)
	now := nowMs()
	late := now + 120_000
	for _, codec := range []record.Codec{record.CodecNone, record.CodecZstd} {
		for _, c := range []struct {
			what, topic string
			records     []record.Record
			code        int16
			texts       map[int32]string // beginnings, by record
			text        string           // the batch's, its beginning
		}{
			{"a time too old, one too new", "timed", []record.Record{stamped("", now), stamped("", 5), stamped("", late), stamped("", now)},
				kerr.InvalidTimestamp.Code,
				map[int32]string{1: "has the time 5, which is out of range: ", 2: fmt.Sprintf("has the time %d, which is out of range: ", late)},
				"2 of 4 records are refused: record 1 has the time 5, which is out of range: the topic takes times from "},
			{"a single record", "timed", []record.Record{stamped("", 5)}, kerr.InvalidTimestamp.Code,
				map[int32]string{0: "has the time 5, "}, "record 0 has the time 5, which is out of range: "},
			{"no time is always taken", "timed", []record.Record{stamped("", -1), stamped("", now), stamped("", -1)}, 0, nil, ""},
			{"no time, and a bad one", "timed", []record.Record{stamped("", -1), stamped("", -2)}, kerr.InvalidTimestamp.Code,
				map[int32]string{1: "has the time -2, "}, "1 of 2 records are refused: record 1 has the time -2, "},
			{"several without a key", "compacted", []record.Record{stamped("", now), stamped("k", now), stamped("", now), stamped("k", now)},
				kerr.InvalidRecord.Code,
				map[int32]string{0: "has no key, and the topic is compacted", 2: "has no key, and the topic is compacted"},
				"2 of 4 records are refused: record 0 has no key, and the topic is compacted"},
			{"both faults", "compacted", []record.Record{stamped("", now), stamped("k", 5), stamped("", 5)}, kerr.InvalidTimestamp.Code,
				map[int32]string{0: "has no key, ", 1: "has the time 5, ", 2: "has no key, "}, "3 of 3 records are refused: record 0 has no key, "},
		} {
			got := w.sends(c.topic, batchOf(t, codec, c.records...))
			if got.ErrorCode != c.code || len(got.ErrorRecords) != len(c.texts) {
				t.Fatalf("%s: code %d with %d records, want %d with %d", c.what, got.ErrorCode, len(got.ErrorRecords), c.code, len(c.texts))
			}
			for _, e := range got.ErrorRecords {
				if want := c.texts[e.RelativeOffset]; want == "" || !strings.HasPrefix(text(e.ErrorMessage), want) {
					t.Errorf("%s: record %d: %q, want %q", c.what, e.RelativeOffset, text(e.ErrorMessage), want)
				}
			}
			if !strings.Contains(text(got.ErrorMessage), c.text) {
				t.Errorf("%s: %q, want %q", c.what, text(got.ErrorMessage), c.text)
			}
		}
	}
}

// TestManyBadRecordsAreNamedWithinBounds: the answer is not many times as large
// as what it answers, and yet names them all.
func TestManyBadRecordsAreNamedWithinBounds(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1, "cleanup.policy", "compact")
	keyless := make([]record.Record, 20_000)
	for i := range keyless {
		keyless[i] = stamped("", nowMs())
	}
	got := w.sends("t", batchOf(t, record.CodecZstd, keyless...))
	if len(got.ErrorRecords) != len(keyless) {
		t.Fatalf("%d records are named of %d", len(got.ErrorRecords), len(keyless))
	}
	texts := 0
	for i, e := range got.ErrorRecords {
		if e.RelativeOffset != int32(i) {
			t.Fatalf("record %d stands for %d", e.RelativeOffset, i)
		}
		if e.ErrorMessage != nil {
			texts++
		}
	}
	if texts != recordTextsMax {
		t.Errorf("%d have a text", texts)
	}
}

// TestALockRefusalNamesOneRecordOnly, as the contract says, however many could be.
func TestALockRefusalNamesOneRecordOnly(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	locked := stamped("k", nowMs())
	locked.Headers = []record.Header{{Key: "lock-write", Value: []byte("a")}, {Key: "lock-basis", Value: []byte("none")}}
	if got := w.sends("t", batchOf(t, record.CodecNone, locked)); got.ErrorCode != 0 {
		t.Fatalf("code %d", got.ErrorCode)
	}
	got := w.sends("t", batchOf(t, record.CodecNone, locked, locked))
	if got.ErrorCode != kerr.PolicyViolation.Code || len(got.ErrorRecords) != 1 {
		t.Errorf("code %d with %d records", got.ErrorCode, len(got.ErrorRecords))
	}
}

// TestTimesBefore1970AreStored, as Kafka does by default, and read back.
func TestTimesBefore1970AreStored(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	now := nowMs()
	want := []int64{-5_000_000, now, -2, -8_000_000_000_000}
	for _, batch := range [][]record.Record{{stamped("", want[0])}, {stamped("", want[1]), stamped("", want[2])}, {stamped("", want[3])}} {
		if got := w.sends("t", batchOf(t, record.CodecNone, batch...)); got.ErrorCode != 0 {
			t.Fatalf("code %d: %s", got.ErrorCode, text(got.ErrorMessage))
		}
	}
	for _, out := range []int64{math.MinInt64, math.MaxInt64} {
		if got := w.sends("t", batchOf(t, record.CodecNone, stamped("", out))); got.ErrorCode != kerr.InvalidTimestamp.Code {
			t.Errorf("time %d: code %d", out, got.ErrorCode)
		}
	}
	cl.AddConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}})
	var times []int64
	for len(times) < len(want) {
		cl.PollFetches(context.Background()).EachRecord(func(r *kgo.Record) { times = append(times, r.Timestamp.UnixMilli()) })
	}
	if fmt.Sprint(times) != fmt.Sprint(want) {
		t.Errorf("read %v, want %v", times, want)
	}
	if got := w.at(7, "t", 0); got.Offset != 1 || got.Timestamp != now {
		t.Errorf("the first since 1970 is at %d, of time %d", got.Offset, got.Timestamp)
	}
	if got := w.at(7, "t", timeMax); got.Offset != 1 {
		t.Errorf("the newest is at %d", got.Offset)
	}
}

// TestAClaimedMaxTimestampIsNotBelieved: how long a segment is kept goes by it.
func TestAClaimedMaxTimestampIsNotBelieved(t *testing.T) {
	s, _ := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("t", 1)
	now := nowMs()
	raw := batchOf(t, record.CodecNone, stamped("", now), stamped("", now-5))
	const atMaxTimestamp, atCRC, atAttributes = 35, 17, 21
	binary.BigEndian.PutUint64(raw[atMaxTimestamp:], math.MaxInt64)
	binary.BigEndian.PutUint32(raw[atCRC:], crc32.Checksum(raw[atAttributes:], crc32.MakeTable(crc32.Castagnoli)))
	if got := w.sends("t", raw); got.ErrorCode != 0 {
		t.Fatalf("code %d", got.ErrorCode)
	}
	fetched := ask[*kmsg.FetchResponse](w, 11, asksFor(0, 1)).Topics[0].Partitions[0].RecordBatches
	b, _, err := record.View(fetched)
	if err != nil || b.MaxTimestamp() != now {
		t.Errorf("the log says %d, %v", b.MaxTimestamp(), err)
	}
}
