package franzgo

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

var (
	codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}
	codecs     = []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
)

// session is one run against one broker.
type session struct {
	t      *testing.T
	ctx    context.Context
	broker string
}

func (s *session) client(opts ...kgo.Opt) *kgo.Client {
	s.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(s.broker), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.AllowAutoTopicCreation())...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(cl.Close)
	return cl
}

// read reads n records of partition 0.
func (s *session) read(topic string, from kgo.Offset, n int) ([]*kgo.Record, error) {
	cl := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: from}}))
	defer cl.Close()
	var recs []*kgo.Record
	for len(recs) < n {
		fetches := cl.PollFetches(s.ctx)
		if err := errors.Join(s.ctx.Err(), fetches.Err()); err != nil {
			return recs, fmt.Errorf("after %d records: %w", len(recs), err)
		}
		recs = append(recs, fetches.Records()...)
	}
	return recs, nil
}

func (s *session) values(topic string, from kgo.Offset, n int) (values []string, err error) {
	recs, err := s.read(topic, from, n)
	for _, r := range recs {
		values = append(values, string(r.Value))
	}
	return values, err
}

func TestFranzGo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := &session{t: t, ctx: ctx, broker: feature.Broker(t)}
	s.codecs(feature.Samples(t))
	s.acks()
	feature.Check(t, "idempotent", s.idempotent)
	s.positions()
	s.admin()
	s.locks()
}

func (s *session) codecs(samples []feature.Sample) {
	for i, name := range codecNames {
		feature.Check(s.t, "codec-"+name, func() (string, error) {
			topic := "franz-go-codec-" + name
			cl := s.client(kgo.ProducerBatchCompression(codecs[i]))
			if err := cl.ProduceSync(s.ctx, outgoing(topic, samples)...).FirstErr(); err != nil {
				return "", err
			}
			recs, err := s.read(topic, kgo.NewOffset().AtStart(), len(samples))
			if err != nil {
				return "", err
			}
			return "", feature.Same(incoming(recs), samples)
		})
	}
}

func outgoing(topic string, samples []feature.Sample) (recs []*kgo.Record) {
	for _, sample := range samples {
		r := &kgo.Record{Topic: topic, Key: sample.Key, Value: sample.Value}
		for _, h := range sample.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		recs = append(recs, r)
	}
	return recs
}

func incoming(recs []*kgo.Record) (samples []feature.Sample) {
	for _, r := range recs {
		sample := feature.Sample{Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			sample.Headers = append(sample.Headers, feature.Header{Name: h.Key, Value: h.Value})
		}
		samples = append(samples, sample)
	}
	return samples
}

func (s *session) acks() {
	acks := []kgo.Acks{kgo.NoAck(), kgo.LeaderAck(), kgo.AllISRAcks()}
	for i, name := range []string{"0", "1", "all"} {
		feature.Check(s.t, "acks-"+name, func() (string, error) {
			topic := "franz-go-acks-" + name
			cl := s.client(kgo.RequiredAcks(acks[i]), kgo.DisableIdempotentWrite())
			if err := cl.ProduceSync(s.ctx, &kgo.Record{Topic: topic, Value: []byte("one")}).FirstErr(); err != nil {
				return "", err
			}
			got, err := s.values(topic, kgo.NewOffset().AtStart(), 1)
			return "", errors.Join(err, feature.Equal(got, []string{"one"}))
		})
	}
}

// idempotent sends many small batches; the client keeps up to five requests in flight.
func (s *session) idempotent() (string, error) {
	const topic, n = "franz-go-idempotent", 500
	cl := s.client(kgo.ProducerBatchMaxBytes(512), kgo.ProducerLinger(0))
	var want []string
	failed := make(chan error, n)
	for i := range n {
		want = append(want, fmt.Sprintf("value %0300d", i))
		cl.Produce(s.ctx, &kgo.Record{Topic: topic, Value: []byte(want[i])}, func(_ *kgo.Record, err error) { failed <- err })
	}
	for range n {
		if err := <-failed; err != nil {
			return "", err
		}
	}
	got, err := s.values(topic, kgo.NewOffset().AtStart(), n)
	return "", errors.Join(err, feature.Equal(got, want))
}

func (s *session) positions() {
	const topic = "franz-go-positions"
	start := time.Now().Add(-time.Minute)
	values := []string{"zero", "one", "two", "three"}
	cl := s.client()
	for i, v := range values {
		r := &kgo.Record{Topic: topic, Value: []byte(v), Timestamp: start.Add(time.Duration(i) * time.Second)}
		if err := cl.ProduceSync(s.ctx, r).FirstErr(); err != nil {
			s.t.Error(err)
		}
	}
	at := func(from kgo.Offset, skipped int) func() (string, error) {
		return func() (string, error) {
			got, err := s.values(topic, from, len(values)-skipped)
			return "", errors.Join(err, feature.Equal(got, values[skipped:]))
		}
	}
	feature.Check(s.t, "from-beginning", at(kgo.NewOffset().AtStart(), 0))
	feature.Check(s.t, "from-offset", at(kgo.NewOffset().At(2), 2))
	feature.Check(s.t, "from-timestamp", at(kgo.NewOffset().AfterMilli(start.Add(500*time.Millisecond).UnixMilli()), 1))
}
