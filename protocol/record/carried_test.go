package record

import "testing"

// TestABatchSaysThatItWasCarriedWhateverBecomesOfIt, and no client can say so.
func TestABatchSaysThatItWasCarriedWhateverBecomesOfIt(t *testing.T) {
	for _, codec := range []Codec{CodecNone, CodecZstd} {
		raw, err := NewBuilder(codec).Add(Record{Value: []byte("a")}).Add(Record{Value: []byte("b")}).Build()
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse(raw, Limits{})
		if err != nil || b.Carried() {
			t.Fatalf("%v: carried %v, %v", codec, b.Carried(), err)
		}
		b.MarkCarried()
		if _, err := Parse(b.Bytes(), Limits{}); KindOf(err) != Invalid {
			t.Errorf("%v: a client that says so gets %v", codec, err)
		}
		first := func(index int32) bool { return index == 0 }
		kept, err := b.Keep(first, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		recs, err := b.Open(Limits{})
		if err != nil {
			t.Fatal(err)
		}
		retained, err := b.Retain(&recs, []bool{false, true}, 7)
		recs.Release()
		if err != nil {
			t.Fatal(err)
		}
		for what, made := range map[string]Batch{"marked": b, "kept in part": kept, "compacted": retained} {
			seen, _, err := View(made.Bytes())
			if err != nil || !seen.Carried() || seen.Codec() != codec {
				t.Errorf("%v, %s: carried %v, codec %v, %v", codec, what, seen.Carried(), seen.Codec(), err)
			}
		}
	}
}
