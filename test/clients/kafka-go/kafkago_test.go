package kafkago

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

// session is one run against one broker.
type session struct {
	t      *testing.T
	ctx    context.Context
	broker string
}

// writer sends each call's messages as soon as it has them.
func (s *session) writer(topic string) *kafka.Writer {
	w := &kafka.Writer{Addr: kafka.TCP(s.broker), Topic: topic, RequiredAcks: kafka.RequireAll,
		BatchTimeout: time.Millisecond, AllowAutoTopicCreation: true}
	s.t.Cleanup(func() { w.Close() })
	return w
}

// read reads n records of partition 0 from where seek leaves the reader.
func (s *session) read(topic string, n int, seek func(*kafka.Reader) error) (recs []kafka.Message, err error) {
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{s.broker}, Topic: topic, MaxWait: 100 * time.Millisecond})
	defer r.Close()
	if err := seek(r); err != nil {
		return nil, err
	}
	for len(recs) < n {
		m, err := r.ReadMessage(s.ctx)
		if err != nil {
			return recs, fmt.Errorf("after %d records: %w", len(recs), err)
		}
		recs = append(recs, m)
	}
	return recs, nil
}

func first(r *kafka.Reader) error { return r.SetOffset(kafka.FirstOffset) }

func (s *session) values(topic string, n int, seek func(*kafka.Reader) error) (values []string, err error) {
	recs, err := s.read(topic, n, seek)
	for _, r := range recs {
		values = append(values, string(r.Value))
	}
	return values, err
}

func TestKafkaGo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := &session{t: t, ctx: ctx, broker: feature.Broker(t)}
	s.codecs(feature.Samples(t))
	s.acks()
	feature.Check(t, "idempotent", func() (string, error) {
		return "", feature.Skip("the client has no idempotent producer")
	})
	s.positions()
	s.admin()
	s.locks()
}

func (s *session) codecs(samples []feature.Sample) {
	for codec, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		feature.Check(s.t, "codec-"+name, func() (string, error) {
			topic := "kafka-go-codec-" + name
			w := s.writer(topic)
			w.Compression = kafka.Compression(codec)
			if err := w.WriteMessages(s.ctx, outgoing(samples)...); err != nil {
				return "", err
			}
			recs, err := s.read(topic, len(samples), first)
			if err != nil {
				return "", err
			}
			return "its reader gives null for what is empty", feature.Same(incoming(recs), feature.EmptyAsNull(samples))
		})
	}
}

func outgoing(samples []feature.Sample) (recs []kafka.Message) {
	for _, sample := range samples {
		m := kafka.Message{Key: sample.Key, Value: sample.Value}
		for _, h := range sample.Headers {
			m.Headers = append(m.Headers, kafka.Header{Key: h.Name, Value: h.Value})
		}
		recs = append(recs, m)
	}
	return recs
}

func incoming(recs []kafka.Message) (samples []feature.Sample) {
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
	acks := []kafka.RequiredAcks{kafka.RequireNone, kafka.RequireOne, kafka.RequireAll}
	for i, name := range []string{"0", "1", "all"} {
		feature.Check(s.t, "acks-"+name, func() (string, error) {
			topic := "kafka-go-acks-" + name
			w := s.writer(topic)
			w.RequiredAcks = acks[i]
			if err := w.WriteMessages(s.ctx, kafka.Message{Value: []byte("one")}); err != nil {
				return "", err
			}
			got, err := s.values(topic, 1, first)
			return "", errors.Join(err, feature.Equal(got, []string{"one"}))
		})
	}
}

func (s *session) positions() {
	const topic = "kafka-go-positions"
	start := time.Now().Add(-time.Minute)
	values := []string{"zero", "one", "two", "three"}
	w := s.writer(topic)
	for i, v := range values {
		if err := w.WriteMessages(s.ctx, kafka.Message{Value: []byte(v), Time: start.Add(time.Duration(i) * time.Second)}); err != nil {
			s.t.Error(err)
		}
	}
	at := func(skipped int, seek func(*kafka.Reader) error) func() (string, error) {
		return func() (string, error) {
			got, err := s.values(topic, len(values)-skipped, seek)
			return "", errors.Join(err, feature.Equal(got, values[skipped:]))
		}
	}
	feature.Check(s.t, "from-beginning", at(0, first))
	feature.Check(s.t, "from-offset", at(2, func(r *kafka.Reader) error { return r.SetOffset(2) }))
	feature.Check(s.t, "from-timestamp", at(1, func(r *kafka.Reader) error {
		return r.SetOffsetAt(s.ctx, start.Add(500*time.Millisecond))
	}))
}
