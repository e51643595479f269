package record

import (
	"encoding/hex"
	"testing"
)

// Goal: what a marker says is read back, and stands in the log as Kafka has it.
// Method: the bytes of key and value are compared with what Kafka 4.3.1 writes.
func TestAMarkerIsReadBackAndIsKafkas(t *testing.T) {
	for _, m := range []Marker{
		{Commit: true, CoordinatorEpoch: 4, Number: 1 << 40},
		{Commit: false, CoordinatorEpoch: 0, Number: 0},
		{Commit: true, CoordinatorEpoch: -1, Number: 7},
	} {
		b, _, err := View(m.Batch(4711, 3, 1700000000000).Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if b.Attributes() != 0x30 || b.BaseSequence() != -1 || b.Count() != 1 || b.ProducerID() != 4711 || b.ProducerEpoch() != 3 {
			t.Errorf("the batch has attributes %#x, sequence %d, %d records", b.Attributes(), b.BaseSequence(), b.Count())
		}
		if b.MentionsLocks() {
			t.Error("a marker passes for a batch with lock headers")
		}
		recs, err := b.Open(Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := recs.Marker(); !ok || got != m {
			t.Errorf("read %+v, %v; wrote %+v", got, ok, m)
		}
	}
	b := Marker{Commit: true, CoordinatorEpoch: 4}.Batch(1, 0, 5)
	recs, err := b.Open(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	w := recs.Walk()
	w.Next()
	if key, value := hex.EncodeToString(w.Key), hex.EncodeToString(w.Value); key != "00000001" || value != "000000000004" || w.HeaderCount != 0 {
		t.Errorf("key %s, value %s, %d headers", key, value, w.HeaderCount)
	}
}

// TestWhatIsNoMarkerEndsNothing: other control records, or damaged ones, are not read as one.
func TestWhatIsNoMarkerEndsNothing(t *testing.T) {
	for name, r := range map[string]Record{
		"another type":  {Key: []byte{0, 0, 0, 2}, Value: make([]byte, 6)},
		"a short key":   {Key: []byte{0, 0, 0}, Value: make([]byte, 6)},
		"no value":      {Key: []byte{0, 0, 0, 1}},
		"a short value": {Key: []byte{0, 0, 0, 1}, Value: make([]byte, 5)},
	} {
		raw, err := NewBuilder(CodecNone).Producer(1, 0, -1).Transactional().Control().Add(r).Build()
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := View(raw)
		if err != nil {
			t.Fatal(err)
		}
		recs, err := b.Open(Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if m, ok := recs.Marker(); ok {
			t.Errorf("%s passes for %+v", name, m)
		}
	}
}
