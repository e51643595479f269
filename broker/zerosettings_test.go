package broker

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// zeroSide is a broker, and how long it takes to look at its topics.
type zeroSide struct {
	*wire
	cl    *kgo.Client
	looks time.Duration
}

// What 0 and -1 do, where they are taken: of three records, which are written, and
// which are left once the topic was looked at. All of it was seen in Apache Kafka
// 4.3.1, and is to be seen again, retention looked at every 2 s, by
//
//	LOCKSTEP_KAFKA=HOST:PORT go test ./broker -run TestZero
func TestZeroAndNoneDoWhatTheyDoInKafka(t *testing.T) {
	side := zeroSideOf(t)
	old := time.Now().Add(-30 * 24 * time.Hour)
	for _, c := range []struct {
		setting string
		at      time.Time // of the records; zero: now
		refused error
		left    int64
	}{
		{setting: "retention.ms=0", left: 0},
		{setting: "retention.ms=-1", at: old, left: 3},
		{setting: "retention.bytes=0", left: 0},
		{setting: "retention.bytes=-1", left: 3},
		{setting: "retention.bytes=-2", left: 3},
		{setting: "max.message.bytes=0", refused: kerr.MessageTooLarge},
		{setting: "message.timestamp.before.max.ms=0", at: old, refused: kerr.InvalidTimestamp},
		{setting: "message.timestamp.after.max.ms=0", at: time.Now().Add(time.Minute), refused: kerr.InvalidTimestamp},
		{setting: "index.interval.bytes=0", left: 3},
		{setting: "flush.ms=0", left: 3},
		{setting: "file.delete.delay.ms=0", left: 3},
		{setting: "segment.jitter.ms=0", left: 3},
		{setting: "local.retention.ms=0", left: 3},
		{setting: "local.retention.bytes=0", left: 3},
		{setting: "compression.zstd.level=0", left: 3},
		{setting: "min.compaction.lag.ms=0", left: 3},
		{setting: "min.cleanable.dirty.ratio=0", left: 3},
		{setting: "delete.retention.ms=0", left: 3},
	} {
		t.Run(c.setting, func(t *testing.T) { side.tryZero(t, c.setting, c.at, c.refused, c.left) })
	}
}

func zeroSideOf(t *testing.T) zeroSide {
	addr := os.Getenv("LOCKSTEP_KAFKA")
	if addr == "" {
		s, cl := startServer(t, func(c *Config) { c.HousekeepInterval = 20 * time.Millisecond })
		return zeroSide{dial(t, s.Addr("")), cl, 200 * time.Millisecond}
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return zeroSide{dial(t, addr), cl, 5 * time.Second}
}

// tryZero writes three records and then sets what may take them away again, or
// sets before what may refuse them.
func (s zeroSide) tryZero(t *testing.T, setting string, at time.Time, refused error, left int64) {
	name, value, _ := strings.Cut(setting, "=")
	topic := fmt.Sprintf("zero-%s-%d", name, time.Now().UnixNano())
	s.createTopic(topic, 1)
	defer ask[*kmsg.DeleteTopicsResponse](s.wire, 6, deleteTopicRequest(topic))
	set := func() { s.change(ofTopic, topic, opSet, name, value) }
	if refused != nil || !at.IsZero() {
		set()
	}
	for range 3 {
		r := &kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte("v"), Timestamp: at}
		if err := s.cl.ProduceSync(t.Context(), r).FirstErr(); !errors.Is(err, refused) {
			t.Fatalf("write: %v, want %v", err, refused)
		}
	}
	if refused != nil {
		return
	}
	set()
	// What must go is waited for; what must stay is looked at once more later.
	for deadline := time.Now().Add(patience); s.count(topic) != left; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d records are left, want %d", s.count(topic), left)
		}
	}
	if left == 3 {
		time.Sleep(s.looks)
		if n := s.count(topic); n != left {
			t.Errorf("%d records are left, want %d", n, left)
		}
	}
}

// count is how many records a topic's partition has.
func (s zeroSide) count(topic string) int64 {
	return s.at(7, topic, -1).Offset - s.at(7, topic, -2).Offset
}
