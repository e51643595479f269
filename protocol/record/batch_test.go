package record

import "testing"

func TestBuiltBatchIsReadBack(t *testing.T) {
	for codec := CodecNone; codec <= codecMax; codec++ {
		bb := NewBuilder(codec).Producer(7, 1, 42)
		for i := range 100 {
			bb.Add(Record{Timestamp: 1000 + int64(i), Key: []byte("k"), Value: make([]byte, i), Headers: []Header{{"lock-write", []byte("a")}}})
		}
		raw, err := bb.Build()
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse(raw, Limits{})
		if err != nil {
			t.Fatal(codec, err)
		}
		rs, err := b.Open(Limits{})
		if err != nil {
			t.Fatal(codec, err)
		}
		n := 0
		for w := rs.Walk(); w.Next(); n++ {
			if len(w.Value) != n || w.HeaderCount != 1 {
				t.Fatal(codec, n)
			}
		}
		rs.Release()
	}
}
