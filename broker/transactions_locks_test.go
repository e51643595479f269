package broker

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// locked is a record that asks for a lock, decided on what was read up to a basis.
func locked(partition int32, value, header, lock, basis string) *kgo.Record {
	return &kgo.Record{Topic: "a", Partition: partition, Value: []byte(value), Headers: []kgo.RecordHeader{
		{Key: header, Value: []byte(lock)}, {Key: "lock-basis", Value: []byte(basis)},
	}}
}

// Goal: a stock transactional producer's locks hold over partitions until its end is
// answered, and not longer: who comes in between is told HELD, and after it CONFLICT or
// nothing. Method: two producers; the first writes in two partitions.
func TestATransactionHoldsItsLocksUntilItsEndIsAnswered(t *testing.T) {
	s, plain := startServer(t)
	dial(t, s.Addr("")).createTopic("a", 2)
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		holder := transactional(t, s.Addr(""), "holder")
		if err := holder.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		for p := range int32(2) {
			basis := "none"
			if n := s.hosted.Topic("a").Partition(p).LastStable(); n > 0 {
				basis = "0"
			}
			if err := holder.ProduceSync(t.Context(), locked(p, "move", "lock-write", "acct", basis)).FirstErr(); err != nil {
				t.Fatalf("partition %d: %v", p, err)
			}
			err := plain.ProduceSync(t.Context(), locked(p, "x", "lock-write", "acct", basis)).FirstErr()
			if !errors.Is(err, kerr.PolicyViolation) {
				t.Errorf("partition %d: a held lock: %v", p, err)
			}
			refusals, _ := s.hosted.Topic("a").Partition(p).Refusals()
			if n := len(refusals); n == 0 || !strings.HasPrefix(refusals[n-1].Refusal.Message(), "HELD lock=acct:") &&
				!strings.HasPrefix(refusals[n-1].Refusal.Message(), "HELD lock=acct ") {
				t.Errorf("partition %d: refusals %+v", p, refusals)
			}
		}
		if err := holder.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		for p := range int32(2) {
			err := plain.ProduceSync(t.Context(), locked(p, "y", "lock-append", "other", "none")).FirstErr()
			if err != nil {
				t.Errorf("partition %d after the end: %v", p, err)
			}
		}
	}
	for p := range int32(2) {
		wantCommitted(t, s.Addr(""), "a", p, "y", "move", "y")
	}
}
