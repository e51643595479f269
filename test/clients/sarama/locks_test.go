package sarama

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

const locksTopic = "sarama-locks"

func send(p sarama.SyncProducer, value string, headers ...string) (offset int64, err error) {
	m := &sarama.ProducerMessage{Topic: locksTopic, Value: sarama.StringEncoder(value)}
	for i := 0; i < len(headers); i += 2 {
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(headers[i]), Value: []byte(headers[i+1])})
	}
	_, offset, err = p.SendMessage(m)
	return offset, err
}

func refused(p sarama.SyncProducer, want sarama.KError, headers ...string) func() (string, error) {
	return func() (string, error) {
		if _, err := send(p, "refused", headers...); !errors.Is(err, want) {
			return "", fmt.Errorf("got %v, want %v", err, want)
		}
		return fmt.Sprintf("KError (%d)", int16(want)), nil
	}
}

func (s *session) locks() {
	c := config()
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	p := s.producer(c)
	if _, err := send(p, "first", "lock-write", "acct:7", "lock-basis", "none"); err != nil {
		s.t.Error(err)
	}
	feature.Check(s.t, "conflict", refused(p, sarama.ErrPolicyViolation, "lock-write", "acct:7", "lock-basis", "none"))
	feature.Check(s.t, "after-conflict", func() (string, error) {
		if _, err := send(p, "second", "lock-write", "acct:7", "lock-basis", "0"); err != nil {
			return "", err
		}
		got, err := s.values(locksTopic, sarama.OffsetOldest, 2)
		return "idempotent", errors.Join(err, feature.Equal(got, []string{"first", "second"}))
	})
	feature.Check(s.t, "conflict-in-flight", s.inFlight)
	feature.Check(s.t, "malformed", refused(p, sarama.ErrInvalidRecord, "lock-wirte", "acct:7"))
	one := config()
	one.Producer.RequiredAcks = sarama.WaitForLocal
	feature.Check(s.t, "lock-acks-1", refused(s.producer(one), sarama.ErrInvalidRequiredAcks, "lock-write", "acct:7", "lock-basis", "1"))
	feature.Check(s.t, "append-once", func() (string, error) {
		first, err := send(p, "third", "lock-id", "req-1")
		again, err2 := send(p, "third", "lock-id", "req-1")
		if err == nil && err2 == nil && (first != 2 || again != 2) {
			err = fmt.Errorf("offsets %d and %d, want 2 and 2", first, again)
		}
		return "", errors.Join(err, err2)
	})
}

// inFlight sends many small batches of which one is refused: what was
// acknowledged is in the log, once and in order, and nothing else is.
func (s *session) inFlight() (string, error) {
	const topic, n, stale = "sarama-in-flight", 50, 20
	c := config()
	c.Producer.Idempotent, c.Net.MaxOpenRequests = true, 1
	c.Producer.Flush.MaxMessages = 1
	p, err := sarama.NewAsyncProducer(s.broker, c)
	if err != nil {
		return "", err
	}
	go func() {
		for i := range n {
			m := &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint("value-", i))}
			if i == stale {
				m.Headers = []sarama.RecordHeader{{Key: []byte("lock-write"), Value: []byte("*")}, {Key: []byte("lock-basis"), Value: []byte("none")}}
			}
			p.Input() <- m
		}
		p.AsyncClose() // closes Successes and Errors when all are answered
	}()
	var acked []string
	var refusals int
	for successes, failures := p.Successes(), p.Errors(); successes != nil || failures != nil; {
		select {
		case m, ok := <-successes:
			if !ok {
				successes = nil
				continue
			}
			value, _ := m.Value.Encode()
			acked = append(acked, string(value))
		case e, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			if !errors.Is(e.Err, sarama.ErrPolicyViolation) {
				return "", e.Err
			}
			refusals++
		}
	}
	if refusals != 1 {
		return "", fmt.Errorf("%d refusals, want 1", refusals)
	}
	got, err := s.values(topic, sarama.OffsetOldest, n-1)
	return "one request in flight", errors.Join(err, feature.Equal(got, acked))
}
