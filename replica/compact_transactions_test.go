package replica

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// committedView is what a reader of committed transactions makes of the log: the
// newest value of each key. It knows what a client knows: the records, and the list of
// what was aborted.
func committedView(t *testing.T, b *bench) map[string]string {
	t.Helper()
	view, stable := map[string]string{}, b.LastStable()
	aborted := b.Aborted(b.Start(), stable)
	err := b.Log().Scan(b.Start(), stable, func(batch record.Batch) error {
		for _, a := range aborted {
			if batch.Transactional() && a.Producer == batch.ProducerID() && a.First <= batch.BaseOffset() && batch.BaseOffset() < a.Last {
				return nil
			}
		}
		if batch.Control() {
			return nil
		}
		recs, err := batch.Open(record.Limits{})
		if err != nil {
			return err
		}
		defer recs.Release()
		for w := recs.Walk(); w.Next(); {
			view[string(w.Key)] = string(w.Value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return view
}

// loseFolds removes all that was saved beside the log.
func loseFolds(t *testing.T, fs *vfs.MemFS) {
	t.Helper()
	if err := fs.RemoveAll("base"); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List("p")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "checkpoint") {
			if err := fs.Remove("p/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Goal: compaction changes nothing of what a reader of committed transactions sees,
// nor of what the folds know, be they folded again from what is left; what was
// aborted goes, and at last its markers. Method: random transactions of four producers
// over few keys and locks, some open at the end; passes in between, and all that was
// saved beside the log is lost.
func TestCompactionKeepsWhatTransactionsDecided(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		fs := vfs.NewMem()
		b := compactable(t, fs)
		type producer struct {
			epoch protocol.ProducerEpoch
			next  protocol.Sequence
			open  bool
			ends  int64
		}
		var producers [4]producer
		end := func(i int, commit bool) {
			p := &producers[i]
			p.ends++
			rises := rng.IntN(2) == 0
			if rises {
				p.epoch, p.next = p.epoch+1, 0
			}
			if err := b.mark(Marker{Producer: protocol.ProducerID(i), Epoch: p.epoch, Commit: commit, Number: p.ends}); err != nil {
				t.Fatal(err)
			}
			p.open = false
		}
		for i := range 400 {
			key, id := fmt.Sprint("k", rng.IntN(9)), rng.IntN(6)
			if id < len(producers) && producers[id].open && rng.IntN(3) == 0 {
				end(id, rng.IntN(3) > 0)
				continue
			}
			builder := plain()
			if id < len(producers) {
				builder.Producer(protocol.ProducerID(id), producers[id].epoch, producers[id].next).Transactional()
			}
			r, _ := b.propose(keyed(t, builder, key, fmt.Sprint("v", i), "lock-append", fmt.Sprint("L", rng.IntN(40))))
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			if id < len(producers) && r.Refusal == nil {
				producers[id].next++
				producers[id].open = true
			}
			if i%97 == 96 {
				b.mustCompact(CompactOptions{DeleteRetentionMs: 1})
			}
		}
		end(0, true)
		view, stable := committedView(t, b), b.LastStable()
		var before, after [16]byte
		digest := func(d *[16]byte) { b.runInLoop(func() { *d, _ = b.m.LockTable().Digest() }) }
		digest(&before)
		stats := b.mustCompact(CompactOptions{DeleteRetentionMs: 1})
		if got := committedView(t, b); !maps.Equal(got, view) {
			t.Fatalf("seed %d: after a pass (%+v) a reader sees %v, and saw %v", seed, stats, got, view)
		}
		b.close()
		loseFolds(t, fs)
		b = compactable(t, fs)
		digest(&after)
		if before != after || b.LastStable() != stable {
			t.Errorf("seed %d: the lock table differs: %v; the last stable offset is %d, was %d", seed, before != after, b.LastStable(), stable)
		}
		if got := committedView(t, b); !maps.Equal(got, view) {
			t.Errorf("seed %d: folded again, a reader sees %v, and saw %v", seed, got, view)
		}
		for i := range producers {
			if s := b.Transaction(protocol.ProducerID(i)); s.Open != producers[i].open {
				t.Errorf("seed %d: producer %d has a transaction open: %v, want %v", seed, i, s.Open, producers[i].open)
			}
			r, refusal := b.propose(keyed(t, plain().Producer(protocol.ProducerID(i), producers[i].epoch, producers[i].next).Transactional(), "k", "next"))
			want(t, fmt.Sprintf("seed %d: the next batch of producer %d", seed, i), r, refusal, int(b.End())-1)
		}
		b.close()
	}
}

// TestMarkersGoLast: behind their transactions' last batch, and after a delete horizon.
func TestMarkersGoLast(t *testing.T) {
	fs := vfs.NewMem()
	b := compactable(t, fs)
	count := func() (markers, aborted int) {
		err := b.Log().Scan(b.Start(), b.End(), func(batch record.Batch) error {
			if batch.Control() {
				markers++
			}
			if batch.Transactional() && !batch.Control() && batch.ProducerID() == 42 {
				aborted += int(batch.Count())
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return markers, aborted
	}
	fill := func() {
		for i := range 60 {
			b.propose(keyed(t, plain(), fmt.Sprint("k", i%3), strings.Repeat("v", 100)))
		}
	}
	b.propose(keyed(t, inTransaction(0, 0), "a", "aborted"))
	if err := b.mark(Marker{Producer: 42, Epoch: 1, Number: 1}); err != nil {
		t.Fatal(err)
	}
	fill()
	b.mustCompact(CompactOptions{DeleteRetentionMs: 1 << 40})
	if markers, aborted := count(); markers != 1 || aborted != 0 {
		t.Errorf("after the first pass %d markers and %d aborted records are left", markers, aborted)
	}
	// Another marker of the producer makes the first one go, but for its horizon.
	if err := b.mark(Marker{Producer: 42, Epoch: 2, Number: 2}); err != nil {
		t.Fatal(err)
	}
	fill()
	b.mustCompact(CompactOptions{DeleteRetentionMs: -1 << 50})
	if markers, _ := count(); markers != 2 {
		t.Errorf("before its horizon %d markers are left", markers)
	}
	fill()
	b.mustCompact(CompactOptions{})
	if markers, _ := count(); markers != 1 {
		t.Errorf("behind its horizon %d markers are left", markers)
	}
	if at, ok := b.m.Transactions().Marked(42, 2); !ok || at < 0 {
		t.Error("the newest marker is not known")
	}
}
