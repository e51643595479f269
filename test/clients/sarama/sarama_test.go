package sarama

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

// session is one run against one broker.
type session struct {
	t      *testing.T
	ctx    context.Context
	broker []string
}

// config asks for the newest versions: by default sarama speaks those of Kafka 2.8.
func config() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Producer.Partitioner = sarama.NewManualPartitioner
	return c
}

func (s *session) producer(c *sarama.Config) sarama.SyncProducer {
	s.t.Helper()
	p, err := sarama.NewSyncProducer(s.broker, c)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { p.Close() })
	return p
}

// read reads n records of partition 0.
func (s *session) read(topic string, from int64, n int) (recs []*sarama.ConsumerMessage, err error) {
	c, err := sarama.NewConsumer(s.broker, config())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	part, err := c.ConsumePartition(topic, 0, from)
	if err != nil {
		return nil, err
	}
	defer part.Close()
	for len(recs) < n {
		select {
		case m := <-part.Messages():
			recs = append(recs, m)
		case <-s.ctx.Done():
			return recs, fmt.Errorf("after %d records: %w", len(recs), s.ctx.Err())
		}
	}
	return recs, nil
}

func (s *session) values(topic string, from int64, n int) (values []string, err error) {
	recs, err := s.read(topic, from, n)
	for _, r := range recs {
		values = append(values, string(r.Value))
	}
	return values, err
}

func TestSarama(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s := &session{t: t, ctx: ctx, broker: []string{feature.Broker(t)}}
	s.codecs(feature.Samples(t))
	s.acks()
	feature.Check(t, "idempotent", s.idempotent)
	s.positions()
	s.admin()
	s.locks()
}

func (s *session) codecs(samples []feature.Sample) {
	for codec, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		feature.Check(s.t, "codec-"+name, func() (string, error) {
			topic := "sarama-codec-" + name
			c := config()
			c.Producer.Compression = sarama.CompressionCodec(codec)
			if err := s.producer(c).SendMessages(outgoing(topic, samples)); err != nil {
				return "", err
			}
			recs, err := s.read(topic, sarama.OffsetOldest, len(samples))
			if err != nil {
				return "", err
			}
			return "", feature.Same(incoming(recs), samples)
		})
	}
}

// encoded keeps null and empty apart, as sarama does: an interface or none.
func encoded(b []byte) sarama.Encoder {
	if b == nil {
		return nil
	}
	return sarama.ByteEncoder(b)
}

func outgoing(topic string, samples []feature.Sample) (recs []*sarama.ProducerMessage) {
	for _, sample := range samples {
		m := &sarama.ProducerMessage{Topic: topic, Key: encoded(sample.Key), Value: encoded(sample.Value)}
		for _, h := range sample.Headers {
			m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
		}
		recs = append(recs, m)
	}
	return recs
}

func incoming(recs []*sarama.ConsumerMessage) (samples []feature.Sample) {
	for _, r := range recs {
		sample := feature.Sample{Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			sample.Headers = append(sample.Headers, feature.Header{Name: string(h.Key), Value: h.Value})
		}
		samples = append(samples, sample)
	}
	return samples
}

func (s *session) acks() {
	acks := []sarama.RequiredAcks{sarama.NoResponse, sarama.WaitForLocal, sarama.WaitForAll}
	for i, name := range []string{"0", "1", "all"} {
		feature.Check(s.t, "acks-"+name, func() (string, error) {
			topic := "sarama-acks-" + name
			c := config()
			c.Producer.RequiredAcks = acks[i]
			if _, _, err := s.producer(c).SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("one")}); err != nil {
				return "", err
			}
			got, err := s.values(topic, sarama.OffsetOldest, 1)
			return "", errors.Join(err, feature.Equal(got, []string{"one"}))
		})
	}
}

// idempotent sends many small batches; sarama keeps one idempotent request in flight.
func (s *session) idempotent() (string, error) {
	const topic, n = "sarama-idempotent", 200
	c := config()
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	c.Producer.Flush.MaxMessages = 5
	var want []string
	var recs []*sarama.ProducerMessage
	for i := range n {
		want = append(want, fmt.Sprint("value-", i))
		recs = append(recs, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(want[i])})
	}
	if err := s.producer(c).SendMessages(recs); err != nil {
		return "", err
	}
	got, err := s.values(topic, sarama.OffsetOldest, n)
	return "one request in flight, the most it allows", errors.Join(err, feature.Equal(got, want))
}

func (s *session) positions() {
	const topic = "sarama-positions"
	start := time.Now().Add(-time.Minute)
	values := []string{"zero", "one", "two", "three"}
	p := s.producer(config())
	for i, v := range values {
		m := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(v), Timestamp: start.Add(time.Duration(i) * time.Second)}
		if _, _, err := p.SendMessage(m); err != nil {
			s.t.Error(err)
		}
	}
	at := func(from int64, skipped int) (string, error) {
		got, err := s.values(topic, from, len(values)-skipped)
		return "", errors.Join(err, feature.Equal(got, values[skipped:]))
	}
	feature.Check(s.t, "from-beginning", func() (string, error) { return at(sarama.OffsetOldest, 0) })
	feature.Check(s.t, "from-offset", func() (string, error) { return at(2, 2) })
	feature.Check(s.t, "from-timestamp", func() (string, error) {
		cl, err := sarama.NewClient(s.broker, config())
		if err != nil {
			return "", err
		}
		defer cl.Close()
		offset, err := cl.GetOffset(topic, 0, start.Add(500*time.Millisecond).UnixMilli())
		if err != nil || offset != 1 {
			return "", fmt.Errorf("offset %d, want 1: %v", offset, err)
		}
		return at(offset, 1)
	})
}
