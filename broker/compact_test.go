package broker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestACompactedTopicKeepsTheNewestValueOfEachKey: a stock client writes many
// values of few keys; after a while a reader from the start finds far fewer
// records, and the newest of each key among them, at its offset.
func TestACompactedTopicKeepsTheNewestValueOfEachKey(t *testing.T) {
	s, cl := startServer(t, func(c *Config) { c.CompactInterval = 24 * time.Hour })
	w := dial(t, s.Addr(""))
	for _, c := range [][2]string{ // it rests for a day already, and hears of the change
		{"log.cleaner.threads", "2"}, {"log.cleaner.dedupe.buffer.size", "2097152"},
		{"log.cleaner.io.max.bytes.per.second", "1.7976931348623157E308"}, {"log.cleaner.backoff.ms", "20"},
	} {
		w.change(ofBroker, "", opSet, c[0], c[1])
	}
	w.createTopic("state", 1, "cleanup.policy", "compact", "segment.bytes", "16384", "min.cleanable.dirty.ratio", "0.01")
	newest := map[string]int64{}
	const written = 2000
	for i := range written {
		key := fmt.Sprintf("k%d", i%10)
		r := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "state", Key: []byte(key), Value: fmt.Appendf(nil, "%064d", i)})
		if err := r.FirstErr(); err != nil {
			t.Fatal(err)
		}
		newest[key] = r[0].Record.Offset
	}
	for {
		have, left := readAll(t, s, "state", written)
		for key, o := range newest {
			if have[key] != o {
				t.Fatalf("%s: newest at %d, want %d", key, have[key], o)
			}
		}
		if left < written/2 {
			t.Logf("%d of %d records left", left, written)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// readAll reads a partition up to an offset: the newest offset of each key, and
// how many records there are.
func readAll(t *testing.T, s *Server, topic string, end int64) (newest map[string]int64, n int) {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.Addr("")), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	newest = map[string]int64{}
	for last := int64(-1); last < end-1; {
		f := cl.PollFetches(ctx)
		if err := f.Err0(); err != nil {
			t.Fatal(err)
		}
		f.EachRecord(func(r *kgo.Record) {
			newest[string(r.Key)], last = r.Offset, r.Offset
			n++
		})
	}
	return newest, n
}
