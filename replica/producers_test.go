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
		{"an unknown producer may begin anywhere: its topic was made again", sent(t, 8, 3, 4, 1), nil},
		{"and goes on from there", sent(t, 8, 3, 6, 1), ErrOutOfOrderSequence},
		{"without a gap", sent(t, 8, 3, 5, 1), nil},
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

// TestARefusedFirstBatchHoldsItsFollowersBack: what is in flight behind a refused
// first batch must not be taken for a first one. The client gives the refused
// sequence to its next batch, which would be taken for a repeat and be lost.
func TestARefusedFirstBatchHoldsItsFollowersBack(t *testing.T) {
	for _, c := range []struct {
		what           string
		refused, first protocol.Sequence
		want           error
	}{
		{"behind a refused 0", 0, 1, ErrOutOfOrderSequence},
		{"the refused 0 again", 0, 0, nil},
		{"behind a refused batch in mid-stream", 500, 501, ErrOutOfOrderSequence},
		{"that batch again", 500, 500, nil},
		{"one before it, which arrives late", 500, 499, nil},
		{"behind the last sequence of all", math.MaxInt32, 0, ErrOutOfOrderSequence},
		{"the last sequence again, after the 0 behind it", 0, math.MaxInt32, nil},
	} {
		table := NewProducers()
		table.Refused(sent(t, 9, 4, c.refused, 1))
		if err := table.Follows(sent(t, 9, 4, c.first, 1)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, err, c.want)
		}
	}
}

func TestOfRefusedFirstBatchesTheLowestCounts(t *testing.T) {
	table := NewProducers()
	for _, first := range []protocol.Sequence{7, 5, 6} {
		table.Refused(sent(t, 9, 0, first, 1))
	}
	if err := table.Follows(sent(t, 9, 0, 6, 1)); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Fatalf("behind the lowest: %v", err)
	}
	table.Refused(sent(t, 9, 1, 3, 1)) // the client has raised its epoch
	table.Refused(sent(t, 9, 0, 1, 1))
	if err := table.Follows(sent(t, 9, 1, 3, 1)); err != nil {
		t.Fatalf("the newest epoch's: %v", err)
	}
	if err := table.Follows(sent(t, 9, 1, 4, 1)); !errors.Is(err, ErrOutOfOrderSequence) {
		t.Fatalf("behind the newest epoch's: %v", err)
	}
}

// TestAClientThatGoesOnWithoutARefusedBatchIsNotHeldBackForEver: some leave a gap
// in their sequence. What they had in flight is refused, and then they may begin.
func TestAClientThatGoesOnWithoutARefusedBatchIsNotHeldBackForEver(t *testing.T) {
	table := NewProducers()
	table.Refused(sent(t, 9, 0, 3, 1))
	for first := protocol.Sequence(4); first < 8; first++ {
		if err := table.Follows(sent(t, 9, 0, first, 1)); !errors.Is(err, ErrOutOfOrderSequence) {
			t.Fatalf("sequence %d, in flight behind 3: %v", first, err)
		}
	}
	if err := table.Follows(sent(t, 9, 0, 8, 1)); err != nil {
		t.Fatalf("the fifth behind it: %v", err)
	}
}

// TestAProducerThatIsKnownLeavesNoRefusalBehind: a refusal of its youth must not
// hold it back when it is forgotten and comes again.
func TestAProducerThatIsKnownLeavesNoRefusalBehind(t *testing.T) {
	table := NewProducers()
	table.Refused(sent(t, 9, 0, 0, 1))
	table.Fold(sent(t, 9, 0, 0, 1), 1)
	table.Refused(sent(t, 9, 0, 1, 1))
	table.Expire(2, func(protocol.ProducerID) bool { return false })
	if err := table.Follows(sent(t, 9, 0, 5, 1)); err != nil {
		t.Fatal(err)
	}
}

// TestManyRefusedFirstBatchesTakeBoundedMemory: the newest are kept.
func TestManyRefusedFirstBatchesTakeBoundedMemory(t *testing.T) {
	table := NewProducers()
	const many = 5 * missingMax
	for id := range protocol.ProducerID(many) {
		table.Refused(sent(t, id, 0, 0, 1))
	}
	if n := len(table.missing.young) + len(table.missing.old); n > 2*missingMax {
		t.Errorf("%d are kept", n)
	}
	for id := protocol.ProducerID(many - missingMax); id < many; id++ {
		if table.Follows(sent(t, id, 0, 1, 1)) == nil {
			t.Fatalf("producer %d of %d is forgotten", id, many)
		}
	}
}

// TestWhatWasCutOffTheLogIsMissing: a replica that has lost a producer's first
// batch to another leader's log, and leads again, must not take the next for it.
func TestWhatWasCutOffTheLogIsMissing(t *testing.T) {
	was := NewProducers()
	was.Refused(sent(t, 8, 0, 0, 1))
	was.Fold(sent(t, 9, 0, 20, 1), 1)
	was.Fold(sent(t, 9, 0, 21, 1), 1)
	table := NewProducers()
	table.ContinueFrom(was)
	for _, behind := range []record.Batch{sent(t, 8, 0, 1, 1), sent(t, 9, 0, 21, 1), sent(t, 9, 0, 22, 1)} {
		if err := table.Follows(behind); !errors.Is(err, ErrOutOfOrderSequence) {
			t.Errorf("producer %d, sequence %d: %v", behind.ProducerID(), behind.BaseSequence(), err)
		}
	}
	if err := table.Follows(sent(t, 9, 0, 20, 1)); err != nil {
		t.Errorf("the first one again: %v", err)
	}
}

func TestSequencesWrapToZero(t *testing.T) {
	table := NewProducers()
	first := sent(t, 7, 0, 0, 1)
	table.Fold(first, 1)
	table.byID[7].last = math.MaxInt32
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
