package franzgo

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

func (s *session) locks() {
	const topic = "franz-go-locks"
	cl := s.client()
	send := func(cl *kgo.Client, value string, headers ...string) (int64, error) {
		r := &kgo.Record{Topic: topic, Value: []byte(value)}
		for i := 0; i < len(headers); i += 2 {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: headers[i], Value: []byte(headers[i+1])})
		}
		r, err := cl.ProduceSync(s.ctx, r).First()
		return r.Offset, err
	}
	refused := func(cl *kgo.Client, want *kerr.Error, headers ...string) func() (string, error) {
		return func() (string, error) {
			if _, err := send(cl, "refused", headers...); !errors.Is(err, want) {
				return "", fmt.Errorf("got %v, want %v", err, want)
			}
			return fmt.Sprintf("kerr %s (%d)", want.Message, want.Code), nil
		}
	}
	if _, err := send(cl, "first", "lock-write", "acct:7", "lock-basis", "none"); err != nil {
		s.t.Error(err)
	}
	feature.Check(s.t, "conflict", refused(cl, kerr.PolicyViolation, "lock-write", "acct:7", "lock-basis", "none"))
	feature.Check(s.t, "after-conflict", func() (string, error) {
		if _, err := send(cl, "second", "lock-write", "acct:7", "lock-basis", "0"); err != nil {
			return "", err
		}
		got, err := s.values(topic, kgo.NewOffset().AtStart(), 2)
		return "idempotent", errors.Join(err, feature.Equal(got, []string{"first", "second"}))
	})
	feature.Check(s.t, "conflict-in-flight", s.inFlight)
	feature.Check(s.t, "malformed", refused(cl, kerr.InvalidRecord, "lock-wirte", "acct:7"))
	once := s.client(kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	feature.Check(s.t, "lock-acks-1", refused(once, kerr.InvalidRequiredAcks, "lock-write", "acct:7", "lock-basis", "1"))
	feature.Check(s.t, "append-once", func() (string, error) {
		first, err := send(cl, "third", "lock-id", "req-1")
		again, err2 := send(cl, "third", "lock-id", "req-1")
		if err == nil && err2 == nil && (first != 2 || again != 2) {
			err = fmt.Errorf("offsets %d and %d, want 2 and 2", first, again)
		}
		return "", errors.Join(err, err2)
	})
}

// inFlight sends many small batches of which one is refused: what was
// acknowledged is in the log, once and in order, and nothing else is.
func (s *session) inFlight() (string, error) {
	const topic, n, stale = "franz-go-in-flight", 50, 20
	cl := s.client(kgo.ProducerBatchMaxBytes(512), kgo.ProducerLinger(0))
	type answer struct {
		value string
		err   error
	}
	answers := make(chan answer, n)
	for i := range n {
		r := &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, "value %0300d", i)}
		if i == stale {
			r.Headers = []kgo.RecordHeader{{Key: "lock-write", Value: []byte("*")}, {Key: "lock-basis", Value: []byte("none")}}
		}
		cl.Produce(s.ctx, r, func(r *kgo.Record, err error) { answers <- answer{string(r.Value), err} })
	}
	var acked []string
	for range n {
		switch a := <-answers; {
		case a.err == nil:
			acked = append(acked, a.value)
		case !errors.Is(a.err, kerr.PolicyViolation):
			return "", a.err
		}
	}
	end, err := cl.ProduceSync(s.ctx, &kgo.Record{Topic: topic, Value: []byte("end")}).First()
	if err != nil {
		return "", err
	}
	got, err := s.values(topic, kgo.NewOffset().AtStart(), len(acked)+1)
	if err == nil && len(acked) == n {
		err = errors.New("nothing was refused")
	}
	return "it fails what it has buffered for the partition", errors.Join(err, feature.Equal(got, append(acked, string(end.Value))))
}
