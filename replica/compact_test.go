package replica

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/segment"
)

// keyed builds a batch of one record with a key and lock headers.
func keyed(t testing.TB, b *record.Builder, key, value string, headers ...string) record.Batch {
	t.Helper()
	r := record.Record{Key: []byte(key), Value: []byte(value), Timestamp: 1}
	for i := 0; i < len(headers); i += 2 {
		r.Headers = append(r.Headers, record.Header{Key: headers[i], Value: []byte(headers[i+1])})
	}
	raw, err := b.Add(r).Build()
	if err != nil {
		t.Fatal(err)
	}
	batch, err := record.Parse(raw, record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func compactable(t testing.TB, fs vfs.FS) *bench {
	b := open(t, fs)
	s := settings()
	s.Log = segment.Config{SegmentBytes: 2000}
	b.SetSettings(s)
	return b
}

func (b *bench) mustCompact(o CompactOptions) segment.CompactStats {
	b.t.Helper()
	stats, err := b.Compact(context.Background(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	return stats
}

// The goal: a lock table that is folded from the start of a compacted log equals
// the one that saw every record, and sequences go on, though base and
// checkpoints are lost.
func TestCompactionLeavesTheFoldsWhatTheyNeed(t *testing.T) {
	fs := vfs.NewMem()
	b := compactable(t, fs)
	for i := range 300 {
		key := fmt.Sprint("k", i%7)
		switch i % 4 {
		case 0:
			b.propose(keyed(t, plain(), key, "v", "lock-append", fmt.Sprintf("L%d M%d", i%31, i%5)))
		case 1:
			b.propose(keyed(t, plain(), key, "v", "lock-id", fmt.Sprint("id", i), "lock-append", "N"))
		case 2:
			b.propose(keyed(t, idempotent(protocol.Sequence(i/4)), key, "v"))
		default:
			headers := []string{"lock-write", fmt.Sprintf("L%d C%d", i%29, i%3), "lock-wirte", ""}
			if i%20 == 3 {
				headers = append(headers, "lock-id", fmt.Sprint("id", i%40))
			}
			b.carry(keyed(t, plain(), key, "v", headers...))
		}
	}
	var before, after [16]byte
	digest := func(d *[16]byte) { b.runInLoop(func() { *d, _ = b.m.LockTable().Digest() }) }
	digest(&before)
	stats := b.mustCompact(CompactOptions{DeleteRetentionMs: 1})
	if stats.RecordsOut*2 > stats.RecordsIn || stats.RecordsOut == 0 {
		t.Errorf("%d of %d records are left", stats.RecordsOut, stats.RecordsIn)
	}
	if again := b.mustCompact(CompactOptions{}); again.BytesRead != 0 {
		t.Errorf("a second pass read %d bytes", again.BytesRead)
	}
	b.close()
	if err := fs.RemoveAll("base"); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List("p")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if len(name) > 10 && name[len(name)-10:] == "checkpoint" {
			if err := fs.Remove("p/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	b = compactable(t, fs)
	digest(&after)
	if before != after {
		t.Error("the lock table that was folded again differs")
	}
	r, refusal := b.propose(keyed(t, idempotent(75), "k0", "next in sequence"))
	want(t, "the producer's next batch", r, refusal, 300)
	r, refusal = b.propose(keyed(t, idempotent(74), "k4", "v"))
	want(t, "its retry of the one before", r, refusal, 298)
}

// The goal: a retry that wants a verdict per append gets the same ones after
// compaction as before, though newer records have the same keys.
func TestVerdictsSurviveCompaction(t *testing.T) {
	b := compactable(t, vfs.NewMem())
	b.propose(keyed(t, plain(), "a", "v", "lock-append", "L")) // 0
	build := func() record.Batch {
		builder := idempotent(0)
		for _, lock := range []string{"L@none", "other@none"} {
			builder.Add(record.Record{Key: []byte("a"), Value: []byte("v"), Timestamp: 1, Headers: []record.Header{{Key: "lock-write", Value: []byte(lock)}}})
		}
		return keyed(t, builder, "b", "v", "lock-append", "L")
	}
	each := func() Result {
		batch := build()
		recs, err := batch.Open(record.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		defer recs.Release()
		locks, _ := conflict.Prepare(batch, &recs, conflict.Optional)
		c := completer{make(chan Result, 1)}
		b.Propose(&Proposal{Batch: batch, Locks: locks, PerAppend: true, Acks: AcksAll, Done: c})
		return <-c.done
	}
	first := each()
	if first.Err != nil || len(first.Skipped) != 1 || first.Skipped[0].First != 0 {
		t.Fatalf("verdicts are %+v", first)
	}
	for range 60 {
		b.propose(keyed(t, plain(), "a", "later", "lock-append", "other"))
		b.propose(keyed(t, plain(), "b", "later", "lock-append", "L"))
	}
	if stats := b.mustCompact(CompactOptions{}); stats.RecordsOut >= stats.RecordsIn {
		t.Fatalf("nothing was compacted: %+v", stats)
	}
	again := each()
	if again.Err != nil || !again.Repeated || again.Base != first.Base || len(again.Skipped) != 1 || again.Skipped[0].First != 0 {
		t.Fatalf("verdicts are %+v, were %+v", again, first)
	}
}

func TestCompactionWaitsUntilItIsWorthwhile(t *testing.T) {
	b := compactable(t, vfs.NewMem())
	write := func(n int) {
		for range n {
			b.propose(keyed(t, plain(), "k", "v"))
		}
	}
	write(100)
	if stats := b.mustCompact(CompactOptions{MinCleanableDirtyRatio: 1}); stats.BytesRead != 0 {
		t.Error("compacted with a ratio of 1 asked for")
	}
	if stats := b.mustCompact(CompactOptions{MinCleanableDirtyRatio: 1, MaxCompactionLagMs: 10}); stats.BytesRead == 0 {
		t.Error("records older than max.compaction.lag.ms were left")
	}
	write(100)
	if stats := b.mustCompact(CompactOptions{MinCleanableDirtyRatio: 0.5}); stats.BytesRead == 0 {
		t.Error("a dirty log was left")
	}
}

// The goal: closing a partition ends its compaction and waits for it.
func TestCloseEndsACompaction(t *testing.T) {
	b := compactable(t, vfs.NewMem())
	for range 100 {
		b.propose(keyed(t, plain(), "k", "v"))
	}
	paced, done := make(chan struct{}), make(chan error)
	go func() {
		first := true
		_, err := b.Compact(context.Background(), CompactOptions{Pace: func(context.Context, int) error {
			if first {
				first = false
				close(paced)
				for !b.closing() { // Close is about to wait for this pass
					runtime.Gosched()
				}
			}
			return nil
		}})
		done <- err
	}()
	<-paced
	b.close()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := b.Compact(context.Background(), CompactOptions{}); err != nil {
		t.Error(err)
	}
}
