package record

import "testing"

// TestRecordsKnowWhetherTheyHaveLockHeaders: a value or key that looks like one
// is none, whatever the codec.
func TestRecordsKnowWhetherTheyHaveLockHeaders(t *testing.T) {
	for codec := CodecNone; codec <= codecMax; codec++ {
		for name, c := range map[string]struct {
			r    Record
			want bool
		}{
			"none":            {Record{Value: []byte("lock-write")}, false},
			"in the key":      {Record{Key: []byte("lock-write")}, false},
			"another header":  {Record{Headers: []Header{{Key: "trace", Value: []byte("lock-write")}, {Key: "lock"}}}, false},
			"a lock header":   {Record{Headers: []Header{{Key: "trace"}, {Key: "lock-id", Value: []byte("x")}}}, true},
			"an unknown lock": {Record{Headers: []Header{{Key: "lock-"}}}, true},
		} {
			raw, err := NewBuilder(codec).Add(Record{Value: []byte("first")}).Add(c.r).Build()
			if err != nil {
				t.Fatal(err)
			}
			b, err := Parse(raw, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			recs, err := b.Open(Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if got := recs.HaveLocks(); got != c.want {
				t.Errorf("%s, codec %s: %v, want %v", name, codec, got, c.want)
			}
			recs.Release()
		}
	}
}
