package crossread

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

var codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// TestFranzGoReadsWhatTheOthersWrote takes the topics for their writers' names:
// NAME-codec-CODEC, NAME-idempotent, NAME-locks.
func TestFranzGoReadsWhatTheOthersWrote(t *testing.T) {
	broker := os.Getenv("BROKER")
	if broker == "" {
		t.Skip("run.sh runs the clients that write")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	topics, err := kadm.NewClient(cl).ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	samples := feature.Samples(t)
	for _, topic := range topics.Names() {
		check := checkOf(topic, samples)
		if check == nil {
			continue
		}
		feature.Check(t, topic, func() (string, error) {
			recs, err := readAll(ctx, broker, topic)
			if err != nil {
				return "", err
			}
			return check(recs)
		})
	}
}

// checkOf chooses by the topic's name.
func checkOf(topic string, samples []feature.Sample) func([]*kgo.Record) (string, error) {
	if _, codec, ok := strings.Cut(topic, "-codec-"); ok {
		return func(recs []*kgo.Record) (string, error) { return written(recs, samples, slices.Index(codecs, codec)) }
	}
	if strings.HasSuffix(topic, "-idempotent") {
		return func(recs []*kgo.Record) (string, error) { return "", inOrder(recs) }
	}
	if strings.HasSuffix(topic, "-locks") {
		return func(recs []*kgo.Record) (string, error) {
			var values []string
			for _, r := range recs {
				values = append(values, string(r.Value))
			}
			return "", feature.Equal(values, []string{"first", "second", "third"})
		}
	}
	return nil
}

// readAll reads partition 0 from its start to a record that it appends itself:
// the last offsets of a log may hold none.
func readAll(ctx context.Context, broker, topic string) (recs []*kgo.Record, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	end, err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("end")}).First()
	if err != nil {
		return nil, err
	}
	for {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("before offset %d: %w", end.Offset, err)
		}
		for _, r := range fetches.Records() {
			if r.Offset == end.Offset {
				return recs, nil
			}
			recs = append(recs, r)
		}
	}
}

// written wants samples and nothing else, in their order; a client leaves out
// what it cannot write. The codec must have been used at least once, for some
// clients send small batches as they are.
func written(recs []*kgo.Record, samples []feature.Sample, codec int) (string, error) {
	next, used := 0, codec == 0
	for _, r := range recs {
		got := sampleOf(r)
		i := slices.IndexFunc(samples[next:], func(s feature.Sample) bool { return feature.Same([]feature.Sample{got}, []feature.Sample{s}) == nil })
		if i < 0 {
			return "", fmt.Errorf("the record at offset %d is none of the samples from %d on", r.Offset, next)
		}
		next += i + 1
		kind := int(r.Attrs.CompressionType())
		used = used || kind == codec
		if kind != codec && kind != 0 {
			return "", fmt.Errorf("the record at offset %d is in codec %d, want %d", r.Offset, kind, codec)
		}
	}
	if !used {
		return "", fmt.Errorf("codec %d was never used", codec)
	}
	return fmt.Sprintf("%d of %d samples", len(recs), len(samples)), nil
}

func sampleOf(r *kgo.Record) feature.Sample {
	s := feature.Sample{Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		s.Headers = append(s.Headers, feature.Header{Name: h.Key, Value: h.Value})
	}
	return s
}

// inOrder wants values that end in the record's own number, each once.
func inOrder(recs []*kgo.Record) error {
	for i, r := range recs {
		text := string(r.Value)
		n, err := strconv.Atoi(text[len(strings.TrimRight(text, "0123456789")):])
		if err != nil || n != i || int64(i) != r.Offset {
			return fmt.Errorf("record %d has offset %d and value %q", i, r.Offset, text)
		}
	}
	return nil
}
