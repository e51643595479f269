package broker

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestDescribeProducersTellsWhoWroteLast(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 2)
	write(t, cl, "a", 0, 1000, 2000, 3000)
	id, epoch, err := cl.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := ask[*kmsg.DescribeProducersResponse](w, 0, describeProducersRequest("a", 0, 1, 1, 2)).Topics[0].Partitions
	if len(got) != 3 {
		t.Fatalf("%d answers for partitions 0, 1 and 2", len(got))
	}
	want := kmsg.DescribeProducersResponseTopicPartitionActiveProducer{
		ProducerID: id, ProducerEpoch: int32(epoch), LastSequence: 2, LastTimestamp: 3000, CoordinatorEpoch: -1, CurrentTxnStartOffset: -1,
	}
	if p := got[0].ActiveProducers; got[0].ErrorCode != 0 || len(p) != 1 || p[0].ProducerID != want.ProducerID ||
		p[0].ProducerEpoch != want.ProducerEpoch || p[0].LastSequence != want.LastSequence || p[0].LastTimestamp != want.LastTimestamp ||
		p[0].CoordinatorEpoch != want.CoordinatorEpoch || p[0].CurrentTxnStartOffset != want.CurrentTxnStartOffset {
		t.Errorf("partition 0: %+v, want %+v", got[0], want)
	}
	if got[1].ErrorCode != 0 || len(got[1].ActiveProducers) != 0 || got[2].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("partitions 1 and 2: %+v", got[1:])
	}
}

func TestDeletedRecordsAreGoneForReaders(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 1)
	w.createTopic("kept", 1, "cleanup.policy", "compact")
	w.createTopic("whole", 1, "cleanup.policy", "")
	write(t, cl, "a", 0, 1, 2, 3, 4)
	for _, c := range []struct {
		topic      string
		before     int64
		start      int64
		code       int16
		startAfter int64
	}{
		{"a", 2, 2, 0, 2},
		{"a", 1, 2, 0, 2}, // it never goes back
		{"a", 5, -1, kerr.OffsetOutOfRange.Code, 2},
		{"a", -2, -1, kerr.OffsetOutOfRange.Code, 2},
		{"a", -1, 4, 0, 4}, // up to the high watermark
		{"kept", 0, -1, kerr.PolicyViolation.Code, 4},
		{"whole", 0, 0, 0, 4}, // as in Kafka: only compaction alone forbids it
		{"nobody", 0, -1, kerr.UnknownTopicOrPartition.Code, 4},
	} {
		got := ask[*kmsg.DeleteRecordsResponse](w, 2, deleteRecordsRequest(c.topic, c.before)).Topics[0].Partitions[0]
		if got.ErrorCode != c.code || got.LowWatermark != c.start {
			t.Errorf("%s before %d: start %d, code %d", c.topic, c.before, got.LowWatermark, got.ErrorCode)
		}
		if got := w.at(7, "a", timeEarliest); got.Offset != c.startAfter {
			t.Errorf("%s before %d: the log starts at %d", c.topic, c.before, got.Offset)
		}
	}
}

// Two topics that may hold one byte: the one with a policy loses its old segments, the other nothing.
func TestAnEmptyCleanupPolicyKeepsAllRecords(t *testing.T) {
	s, cl := startServer(t, func(c *Config) { c.HousekeepInterval = 10 * time.Millisecond })
	w := dial(t, s.Addr(""))
	w.change(ofBroker, "1", opSet, "background.threads", "4")
	limits := []string{"retention.bytes", "1", "retention.ms", "1", "segment.bytes", "1024"}
	w.createTopic("drops", 1, limits...)
	w.createTopic("keeps", 1, append(limits, "cleanup.policy", "")...)
	times := make([]int64, 50)
	write(t, cl, "keeps", 0, times...)
	write(t, cl, "drops", 0, times...)
	for w.at(7, "drops", timeEarliest).Offset == 0 {
		time.Sleep(10 * time.Millisecond) // the test's own deadline ends it
	}
	if got := w.at(7, "keeps", timeEarliest).Offset; got != 0 {
		t.Errorf("the log with the empty policy starts at %d", got)
	}
	w.change(ofTopic, "keeps", opAppend, "cleanup.policy", "delete")
	for w.at(7, "keeps", timeEarliest).Offset == 0 {
		time.Sleep(10 * time.Millisecond)
	}
}

func TestLogDirsTellTheSizesOfLogs(t *testing.T) {
	s, cl := startServer(t)
	w := dial(t, s.Addr(""))
	w.createTopic("a", 2)
	w.createTopic("b", 1)
	if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "a", Partition: 1, Value: []byte("some bytes")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	all := ask[*kmsg.DescribeLogDirsResponse](w, 4, kmsg.NewPtrDescribeLogDirsRequest()).Dirs[0]
	if !filepath.IsAbs(all.Dir) || len(all.Topics) != 2 || len(all.Topics[0].Partitions) != 2 {
		t.Fatalf("%+v", all)
	}
	for _, p := range all.Topics[0].Partitions {
		if want := s.hosted.Topic("a").Partition(p.Partition).Log().Size(); p.Size != want || (p.Partition == 1) != (want > 0) || p.IsFuture {
			t.Errorf("partition %d has %d bytes, want %d", p.Partition, p.Size, want)
		}
	}
	some := kmsg.NewPtrDescribeLogDirsRequest()
	some.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "a", Partitions: []int32{1, 7}}, {Topic: "nobody", Partitions: []int32{0}}}
	got := ask[*kmsg.DescribeLogDirsResponse](w, 4, some).Dirs[0].Topics
	if len(got) != 1 || len(got[0].Partitions) != 1 || got[0].Partitions[0].Partition != 1 {
		t.Errorf("asked for one partition that is here: %+v", got)
	}
	none := kmsg.NewPtrDescribeLogDirsRequest()
	none.Topics = []kmsg.DescribeLogDirsRequestTopic{}
	if got := ask[*kmsg.DescribeLogDirsResponse](w, 4, none).Dirs; len(got) != 1 || len(got[0].Topics) != 0 {
		t.Errorf("asked for none: %+v", got)
	}
}
