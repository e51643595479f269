package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/segmentio/kafka-go"
	kplain "github.com/segmentio/kafka-go/sasl/plain"
	kscram "github.com/segmentio/kafka-go/sasl/scram"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	xscram "github.com/xdg-go/scram"
)

// The cluster, as test.sh says it.
var (
	broker, mechanism = os.Getenv("SECURE_BROKER"), os.Getenv("SECURE_MECHANISM")
	user, password    = os.Getenv("SECURE_USER"), os.Getenv("SECURE_PASSWORD")
)

const timeout = 30 * time.Second

// topic is fresh for each client and run.
func topic(t *testing.T) string {
	if broker == "" {
		t.Skip("test.sh says where the broker is")
	}
	return fmt.Sprintf("secure-%d", time.Now().UnixNano())
}

// trust is the TLS of a client: with a certificate where SASL is not to prove who it is.
func trust(t *testing.T) *tls.Config {
	t.Helper()
	ca, err := os.ReadFile(os.Getenv("SECURE_CA"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AppendCertsFromPEM(ca)
	if mechanism == "" {
		pair, err := tls.LoadX509KeyPair(os.Getenv("SECURE_CERT"), os.Getenv("SECURE_KEY"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg
}

func TestFranzGo(t *testing.T) {
	topic := topic(t)
	opts := []kgo.Opt{kgo.SeedBrokers(broker), kgo.DialTLSConfig(trust(t)), kgo.ConsumeTopics(topic), kgo.AllowAutoTopicCreation()}
	switch mechanism {
	case "PLAIN":
		opts = append(opts, kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism()))
	case "SCRAM-SHA-256":
		opts = append(opts, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		opts = append(opts, kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	if err := cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("v")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	fs := cl.PollFetches(ctx)
	if err := fs.Err(); err != nil || fs.NumRecords() != 1 || string(fs.Records()[0].Value) != "v" {
		t.Fatalf("%d records, %v", fs.NumRecords(), err)
	}
}

// saramaScram is what users of sarama bring along.
type saramaScram struct {
	hash xscram.HashGeneratorFcn
	*xscram.ClientConversation
}

func (s *saramaScram) Begin(user, password, as string) error {
	c, err := s.hash.NewClient(user, password, as)
	if err == nil {
		s.ClientConversation = c.NewConversation()
	}
	return err
}

func TestSarama(t *testing.T) {
	topic := topic(t)
	c := sarama.NewConfig()
	c.Version, c.Producer.Return.Successes = sarama.MaxVersion, true
	c.Net.TLS.Enable, c.Net.TLS.Config = true, trust(t)
	switch mechanism {
	case "":
	case "PLAIN":
		c.Net.SASL.Enable, c.Net.SASL.Mechanism, c.Net.SASL.User, c.Net.SASL.Password = true, sarama.SASLTypePlaintext, user, password
	default:
		hash := xscram.SHA512
		if mechanism == "SCRAM-SHA-256" {
			hash = xscram.SHA256
		}
		c.Net.SASL.Enable, c.Net.SASL.Mechanism, c.Net.SASL.User, c.Net.SASL.Password = true, sarama.SASLMechanism(mechanism), user, password
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &saramaScram{hash: hash} }
	}
	p, err := sarama.NewSyncProducer([]string{broker}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder("v")}); err != nil {
		t.Fatal(err)
	}
	consumer, err := sarama.NewConsumer([]string{broker}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	part, err := consumer.ConsumePartition(topic, 0, sarama.OffsetOldest)
	if err != nil {
		t.Fatal(err)
	}
	defer part.Close()
	select {
	case m := <-part.Messages():
		if string(m.Value) != "v" {
			t.Errorf("got %q", m.Value)
		}
	case <-time.After(timeout):
		t.Fatal("nothing was read")
	}
}

func TestKafkaGo(t *testing.T) {
	topic := topic(t)
	d := &kafka.Dialer{Timeout: timeout, TLS: trust(t)}
	var err error
	switch mechanism {
	case "PLAIN":
		d.SASLMechanism = kplain.Mechanism{Username: user, Password: password}
	case "SCRAM-SHA-256":
		d.SASLMechanism, err = kscram.Mechanism(kscram.SHA256, user, password)
	case "SCRAM-SHA-512":
		d.SASLMechanism, err = kscram.Mechanism(kscram.SHA512, user, password)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	w := &kafka.Writer{Addr: kafka.TCP(broker), Topic: topic, AllowAutoTopicCreation: true, MaxAttempts: 10,
		Transport: &kafka.Transport{TLS: d.TLS, SASL: d.SASLMechanism}}
	defer w.Close()
	if err := w.WriteMessages(ctx, kafka.Message{Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{broker}, Topic: topic, Dialer: d})
	defer r.Close()
	if m, err := r.ReadMessage(ctx); err != nil || string(m.Value) != "v" {
		t.Fatalf("%q, %v", m.Value, err)
	}
}
