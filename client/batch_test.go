package client

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// idle is a writer that never sends.
func idle(t testing.TB) *partitionWriter {
	t.Helper()
	o, err := newOptions(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := newPartitionWriter(&Client{opts: o, appendLimit: newAppendLimit(o.buffered), ctx: context.Background()}, place{"t", 0}, newKnownEpoch())
	w.mu.running = true
	return w
}

// read is the records of a sealed batch, each as a text.
func (b *batch) read(t *rapid.T) (texts []string) {
	raw, err := b.builder.Seal()
	if err != nil {
		t.Fatal(err)
	}
	batch, err := record.Parse(raw, record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	records, err := batch.Open(record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	w := records.Walk()
	for w.Next() {
		r := copied(&w, batch.FirstTimestamp())
		text := fmt.Sprintf("%d %q %q", r.Timestamp, r.Key, r.Value)
		for _, h := range r.Headers {
			text += fmt.Sprintf(" %s=%q", h.Key, h.Value)
		}
		texts = append(texts, text)
	}
	return texts
}

// TestWhatIsSentAgainIsWhatWasAppended: a batch that is split holds the appends
// that were kept, in their order, each with all its records as they were.
func TestWhatIsSentAgainIsWhatWasAppended(t *testing.T) {
	w := idle(t)
	rapid.Check(t, func(t *rapid.T) {
		b := newBatch(w)
		n := rapid.IntRange(1, 20).Draw(t, "appends")
		var clock clock
		for i := range n {
			cond := Cond{Basis: 7, Locks: []Lock{Write(fmt.Sprint("a", i))}}
			var recs []*kgo.Record
			for range rapid.IntRange(1, 3).Draw(t, "records") {
				r := &kgo.Record{Timestamp: time.UnixMilli(rapid.Int64Range(0, 1e13).Draw(t, "ms")), Value: fmt.Append(nil, i)}
				if rapid.Bool().Draw(t, "headers") {
					r.Headers = append(r.Headers, kgo.RecordHeader{Key: "own", Value: []byte{byte(i)}}, kgo.RecordHeader{Key: "null"})
				}
				recs = append(recs, r)
			}
			locks, err := new(options).prepare(w.at, &cond, recs, new(headerBuf))
			if err != nil {
				t.Fatal(err)
			}
			b.appendRecords(pending{ctx: context.Background(), id: cond.ID}, sizeOf(recs, locks), recs, locks, &clock)
		}
		texts := b.read(t)
		keep := rapid.SliceOfN(rapid.Bool(), n, n).Draw(t, "keep")
		most := rapid.IntRange(1, n).Draw(t, "most")
		var want []string
		at := 0
		for i := range b.appends {
			end := at + int(b.appends[i].records)
			if keep[i] {
				want = append(want, texts[at:end]...)
			}
			at = end
		}
		var got []string
		for _, part := range b.split(most, func(i int, _ *pending) bool { return keep[i] }) {
			if len(part.appends) > most || !part.sealed {
				t.Fatalf("a part of %d appends, at most %d", len(part.appends), most)
			}
			got = append(got, part.read(t)...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	})
}

// TestWhatIsPlainIsInOrder: headers that are not checked would pass.
func TestWhatIsPlainIsInOrder(t *testing.T) {
	names := rapid.OneOf(rapid.StringMatching(`[a-z:]{0,5}`), rapid.StringOfN(rapid.SampledFrom([]rune("a*% @é\x00")), 0, 4, -1),
		rapid.SampledFrom([]string{"*", string(make([]byte, 300))}))
	plain := 0
	rapid.Check(t, func(t *rapid.T) {
		bases := rapid.Int64Range(-3, 3)
		cond := Cond{ID: names.Draw(t, "id"), Basis: bases.Draw(t, "basis")}
		for range rapid.IntRange(0, 4).Draw(t, "locks") {
			lock := rapid.SampledFrom([]func(string) Lock{Write, Read, Append, func(string) Lock { return Partition() }}).Draw(t, "kind")(names.Draw(t, "name"))
			if rapid.Bool().Draw(t, "own") {
				lock = lock.At(bases.Draw(t, "at"))
			}
			cond.Locks = append(cond.Locks, lock)
		}
		headers, ok := appendLocks(nil, nil, &cond)
		if !ok {
			return
		}
		plain++
		var q protocol.LockRequest
		if err := checkHeaders(&q, headers); err != nil {
			t.Fatalf("%+v: %v", cond, err)
		}
	})
	if plain == 0 {
		t.Error("nothing was plain")
	}
}

// TestNeighboursOfOneIDDoNotShareABatch: they would be one append.
func TestNeighboursOfOneIDDoNotShareABatch(t *testing.T) {
	w := idle(t)
	for _, id := range []string{"a", "a", "b", "", "", "b"} {
		p := pending{ctx: t.Context(), id: id, done: func(Result, error) {}}
		if !w.enqueue(p, []*kgo.Record{{Value: []byte("v")}}, nil) {
			t.Fatal("closed")
		}
	}
	var sizes []int
	for _, b := range w.mu.queue {
		sizes = append(sizes, len(b.appends))
	}
	if !slices.Equal(sizes, []int{1, 5}) {
		t.Errorf("batches of %v appends", sizes)
	}
}

// BenchmarkEnqueue is what an append costs its caller: its headers are made,
// and it is written into the batch that waits. Nothing is sent.
func BenchmarkEnqueue(b *testing.B) {
	value := make([]byte, 100)
	for _, locks := range []int{0, 1, 2, 8} {
		b.Run(fmt.Sprint("locks=", locks), func(b *testing.B) {
			w := idle(b)
			c := w.c
			c.lastWriter.Store(w)
			cond := Cond{Basis: 1234567}
			for i := range locks {
				cond.Locks = append(cond.Locks, Write(fmt.Sprint("acct:", 100_000+i)))
			}
			done := func(Result, error) {}
			b.ReportAllocs()
			for b.Loop() {
				c.AppendAsync(c.ctx, "t", 0, cond, done, &kgo.Record{Value: value})
				if len(w.mu.queue) == 2 {
					s := w.mu.queue[0]
					w.mu.queue, w.mu.bytes = append(w.mu.queue[:0], w.mu.queue[1]), 0
					s.complete(0, -1, false, nil)
					s.recycle()
				}
			}
		})
	}
}
