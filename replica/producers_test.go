package replica

import (
	"errors"
	"math"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// sent builds the batch that a producer sends: n records from a sequence on.
func sent(t testing.TB, id protocol.ProducerID, epoch protocol.ProducerEpoch, first protocol.Sequence, n int) record.Batch {
	t.Helper()
	b := record.NewBuilder(record.CodecNone)
	if id != protocol.NoProducer {
		b.Producer(id, epoch, first)
	}
	for range n {
		b.Add(record.Record{Value: []byte("v"), Timestamp: 1})
	}
	raw, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	batch, err := record.Parse(raw, record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// TestProducersJudgeSequencesAsKafkaDoes plays one producer's story, step by step.
func TestProducersJudgeSequencesAsKafkaDoes(t *testing.T) {
	table := NewProducers()
	base := protocol.Offset(0)
	append := func(b record.Batch) {
		b.Place(base, 0)
		table.Fold(b, 1)
		base = b.NextOffset()
	}
	steps := []struct {
		what  string
		batch record.Batch
		want  error
	}{
		{"a first batch begins at 0", sent(t, 7, 0, 0, 3), nil},
		{"the next one follows", sent(t, 7, 0, 3, 1), nil},
		{"a gap is refused", sent(t, 7, 0, 5, 1), ErrOutOfOrderSequence},
		{"and leaves no trace", sent(t, 7, 0, 4, 1), nil},
		{"an old sequence that is no known batch is refused", sent(t, 7, 0, 2, 1), ErrOutOfOrderSequence},
		{"a new epoch begins at 0", sent(t, 7, 2, 1, 1), ErrOutOfOrderSequence},
		{"with a jump of epochs", sent(t, 7, 2, 0, 1), nil},
		{"which fences the old one", sent(t, 7, 0, 5, 1), ErrProducerFenced},
		{"an unknown producer in mid-stream is told so", sent(t, 8, 0, 4, 1), ErrUnknownProducer},
		{"a batch without a producer is not judged", sent(t, -1, -1, -1, 1), nil},
	}
	for _, s := range steps {
		if got := table.Follows(s.batch); !errors.Is(got, s.want) {
			t.Fatalf("%s: got %v, want %v", s.what, got, s.want)
		}
		if s.want == nil {
			append(s.batch)
		}
	}
}

// TestProducersAnswerARetryWithItsOldOffset covers the window of five batches.
func TestProducersAnswerARetryWithItsOldOffset(t *testing.T) {
	table := NewProducers()
	for i := range 7 {
		b := sent(t, 7, 0, protocol.Sequence(2*i), 2)
		b.Place(protocol.Offset(2*i), 0)
		table.Fold(b, 1)
	}
	for i := range 7 {
		base, _, ok := table.Repeat(sent(t, 7, 0, protocol.Sequence(2*i), 2))
		if known := i >= 2; ok != known || known && base != protocol.Offset(2*i) {
			t.Errorf("batch %d: repeat at %d, %v", i, base, ok)
		}
	}
	if _, _, ok := table.Repeat(sent(t, 7, 0, 12, 1)); ok {
		t.Error("half a batch passed for a repeat")
	}
	if _, _, ok := table.Repeat(sent(t, 7, 1, 12, 2)); ok {
		t.Error("another epoch passed for a repeat")
	}
}

// TestARefusedFirstBatchHoldsItsFollowersBack: what is in flight behind a
// refused first batch must not be taken for a first one (facts: KAFKA-14359).
func TestARefusedFirstBatchHoldsItsFollowersBack(t *testing.T) {
	table := NewProducers()
	table.Refused(sent(t, 9, 0, 0, 1))
	if err := table.Follows(sent(t, 9, 0, 1, 1)); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Fatalf("follower: %v", err)
	}
	if err := table.Follows(sent(t, 9, 0, 0, 1)); err != nil {
		t.Fatalf("the next try: %v", err)
	}
}

func TestSequencesWrapToZero(t *testing.T) {
	table := NewProducers()
	first := sent(t, 7, 0, 0, 1)
	table.Fold(first, 1)
	table.byID[7].batches[0].last = math.MaxInt32
	if err := table.Follows(sent(t, 7, 0, 0, 1)); err != nil {
		t.Fatal(err)
	}
}

func TestProducerCheckpointComesBackWhole(t *testing.T) {
	table := NewProducers()
	for id := range protocol.ProducerID(20) {
		for i := range int(id)%6 + 1 {
			b := sent(t, id, 3, protocol.Sequence(i), 1)
			b.Place(protocol.Offset(100*int(id)+i), 0)
			table.Fold(b, 5)
		}
	}
	raw := table.AppendTo(nil)
	back, err := DecodeProducers(raw)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := back.States(), table.States(); len(got) != len(want) || got[19] != want[19] {
		t.Fatalf("got %v, want %v", got, want)
	}
	for n := range raw {
		if _, err := DecodeProducers(raw[:n]); err == nil {
			t.Fatalf("a checkpoint cut at %d of %d decoded", n, len(raw))
		}
	}
}
