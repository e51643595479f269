package record

import (
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
	"pgregory.net/rapid"
)

// Goal: what is retained is what was chosen, at its offset and with its time,
// with a delete horizon or without, and again after that. Method: any batch, any
// choice, any horizon.
func TestRetainKeepsOffsetsAndTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, sent := drawBatch(t)
		b, err := Parse(raw, wide)
		if err != nil {
			t.Fatal(err)
		}
		b.Place(protocol.Offset(rapid.Int64Range(0, 1<<40).Draw(t, "base")), 3)
		places := make([]int, len(sent)) // in sent, of the records that are left
		for i := range places {
			places[i] = i
		}
		for range 2 {
			recs, err := b.Open(wide)
			if err != nil {
				t.Fatal(err)
			}
			keep := rapid.SliceOfN(rapid.Bool(), int(b.Count()), int(b.Count())).Draw(t, "keep")
			horizon := rapid.OneOf(rapid.Just(int64(-1)), rapid.Int64Range(0, 1<<45)).Draw(t, "horizon")
			left, err := b.Retain(&recs, keep, horizon)
			recs.Release()
			if err != nil {
				t.Fatal(err)
			}
			var rest []int
			for i, place := range places {
				if keep[i] {
					rest = append(rest, place)
				}
			}
			checkRetained(t, b, left, horizon)
			b, places = left, rest
			checkTimes(t, b, places, sent)
		}
	})
}

func checkRetained(t *rapid.T, b, left Batch, horizon int64) {
	viewed, size, err := View(left.Bytes())
	if err != nil || size != left.Size() {
		t.Fatalf("view of %d bytes: %d, %v", left.Size(), size, err)
	}
	was, is := b.header(), viewed.header()
	was.count = is.count
	if is.count == 0 {
		was.attributes &^= attrCodec
	}
	if horizon >= 0 {
		was.baseTimestamp = horizon
		was.attributes |= attrDeleteHorizon
		if ms, ok := viewed.DeleteHorizon(); !ok || ms != horizon {
			t.Errorf("horizon is %d, %v, want %d", ms, ok, horizon)
		}
	}
	if is != was {
		t.Errorf("header is %+v, want %+v", is, was)
	}
}

func checkTimes(t *rapid.T, b Batch, places []int, sent []Record) {
	recs, err := b.Open(wide)
	if err != nil {
		t.Fatal(err)
	}
	defer recs.Release()
	w := recs.Walk()
	n := 0
	for ; w.Next(); n++ {
		want := sent[places[n]]
		if int(w.OffsetDelta) != places[n] || b.FirstTimestamp()+w.TimestampDelta != want.Timestamp ||
			string(w.Key) != string(want.Key) || string(w.Value) != string(want.Value) ||
			(w.Value == nil) != (want.Value == nil) || w.HeaderCount != len(want.Headers) {
			t.Fatalf("record %d is at delta %d of time %d, want %d of %d", n, w.OffsetDelta, b.FirstTimestamp()+w.TimestampDelta, places[n], want.Timestamp)
		}
	}
	if n != len(places) {
		t.Fatalf("%d records, want %d", n, len(places))
	}
}
