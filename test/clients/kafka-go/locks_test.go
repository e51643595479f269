package kafkago

import (
	"errors"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

const locksTopic = "kafka-go-locks"

func message(value string, headers ...string) kafka.Message {
	m := kafka.Message{Value: []byte(value)}
	for i := 0; i < len(headers); i += 2 {
		m.Headers = append(m.Headers, kafka.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	return m
}

// refused wants an error of the client and, in it, the broker's own text.
func (s *session) refused(w *kafka.Writer, want kafka.Error, text string, headers ...string) func() (string, error) {
	return func() (string, error) {
		err := w.WriteMessages(s.ctx, message("refused", headers...))
		if all := (kafka.WriteErrors)(nil); errors.As(err, &all) && len(all) == 1 {
			err = all[0]
		}
		if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			return "", fmt.Errorf("got %v, want %v: %s", err, want, text)
		}
		note := fmt.Sprintf("kafka.Error %s (%d)", want.Title(), int(want))
		if text != "" {
			note += ", with the text"
		}
		return note, nil
	}
}

// once appends the same lock-id twice; only the client's low level tells offsets.
func (s *session) once() (string, error) {
	cl := &kafka.Client{Addr: kafka.TCP(s.broker)}
	for range 2 {
		resp, err := cl.Produce(s.ctx, &kafka.ProduceRequest{Topic: locksTopic, RequiredAcks: kafka.RequireAll,
			Records: kafka.NewRecordReader(kafka.Record{
				Value:   kafka.NewBytes([]byte("third")),
				Headers: []kafka.Header{{Key: "lock-id", Value: []byte("req-1")}},
			})})
		if err == nil {
			err = resp.Error
		}
		if err != nil || resp.BaseOffset != 2 {
			return "", fmt.Errorf("offset %v, want 2: %v", resp, err)
		}
	}
	return "", nil
}

func (s *session) locks() {
	w := s.writer(locksTopic)
	if err := w.WriteMessages(s.ctx, message("first", "lock-write", "acct:7", "lock-basis", "none")); err != nil {
		s.t.Error(err)
	}
	feature.Check(s.t, "conflict", s.refused(w, kafka.PolicyViolation, "CONFLICT lock=acct:7 last=0 basis=none by=- record=0:", "lock-write", "acct:7", "lock-basis", "none"))
	feature.Check(s.t, "after-conflict", func() (string, error) {
		if err := w.WriteMessages(s.ctx, message("second", "lock-write", "acct:7", "lock-basis", "0")); err != nil {
			return "", err
		}
		got, err := s.values(locksTopic, 2, first)
		return "", errors.Join(err, feature.Equal(got, []string{"first", "second"}))
	})
	feature.Check(s.t, "conflict-in-flight", func() (string, error) {
		return "", feature.Skip("the client has no idempotent producer")
	})
	feature.Check(s.t, "malformed", s.refused(w, kafka.InvalidRecord, "MALFORMED record=0:", "lock-wirte", "acct:7"))
	one := s.writer(locksTopic)
	one.RequiredAcks = kafka.RequireOne
	feature.Check(s.t, "lock-acks-1", s.refused(one, kafka.InvalidRequiredAcks, "", "lock-write", "acct:7", "lock-basis", "1"))
	feature.Check(s.t, "append-once", s.once)
}
