package conflict

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// write appends one record with a lock-write of each name, whatever was there.
func (p *partition) write(id string, names ...string) {
	p.t.Helper()
	r := row{value: "v", id: id}
	for _, name := range names {
		r.items = append(r.items, item{protocol.HeaderLockAppend, name, -1})
	}
	bytes, err := record.NewBuilder(record.CodecNone).Add(recordOfRow(r)).Build()
	p.must(err)
	batch, _, err := record.View(bytes)
	p.must(err)
	if got := p.propose(batch, Optional); got != fmt.Sprintf("at %d", p.end-1) {
		p.t.Fatal(got)
	}
	p.hw = p.end
}

// TestAGenerationIsReadWhileItIsWritten runs Flush's work beside the owner, as
// a broker does. The race detector watches.
func TestAGenerationIsReadWhileItIsWritten(t *testing.T) {
	p := newPartition(t, 64<<10)
	defer func() { p.close(true) }()
	done := make(chan error, 1)
	var writers sync.WaitGroup
	busy, flushes := false, 0
	records := 20_000
	if raceEnabled {
		records /= 4
	}
	for i := range records {
		p.write(fmt.Sprintf("id-%d", i), fmt.Sprintf("lock-%d", i%3000), "hot")
		if last, by, known, err := p.locks.Last([]byte("hot")); err != nil || !known || last != p.end-1 || by != fmt.Sprintf("id-%d", i) {
			t.Fatalf("last(hot) is %d by %q at end %d: %v", last, by, p.end, err)
		}
		if last, _, _, err := p.locks.Last(fmt.Appendf(nil, "lock-%d", (i+1)%3000)); err != nil || i >= 3000 && last != protocol.Offset(i-2999) {
			t.Fatalf("last(lock-%d) is %d at end %d: %v", (i+1)%3000, last, p.end, err)
		}
		if busy {
			select {
			case err := <-done:
				p.locks.Flushed(err)
				busy = false
			default:
			}
			continue
		}
		if work := p.locks.Flush(p.hw, p.nowMs); work != nil {
			busy, flushes = true, flushes+1
			writers.Go(func() { done <- work() })
		}
	}
	writers.Wait()
	if busy {
		p.locks.Flushed(<-done)
	}
	if flushes < 2 {
		t.Errorf("%d generations were written, want more", flushes)
	}
	p.sameAsReplay()
}

// TestResetWaitsForTheWriter truncates while a generation is being written: its
// memory must stay until the work is done, and the table be right after it.
func TestResetWaitsForTheWriter(t *testing.T) {
	p := newPartition(t, 1<<20)
	defer func() { p.close(true) }()
	for i := range 2000 {
		p.write("", fmt.Sprintf("lock-%d", i))
	}
	work := p.locks.Checkpoint(p.hw, p.nowMs)
	if work == nil {
		t.Fatal("there is nothing to write")
	}
	p.truncate()
	p.sameAsReplay()
	p.locks.Flushed(work())
	p.sameAsReplay()
	p.checkpoint()
	p.sameAsReplay()
	p.close(true)
	p.open()
	p.sameAsReplay()
}

// sameAsReplay compares the table with one folded from the log in memory.
func (p *partition) sameAsReplay() {
	p.t.Helper()
	got, err := p.locks.Digest()
	p.must(err)
	want, err := p.replay().Digest()
	p.must(err)
	if got != want {
		p.t.Errorf("the table is not its log's:\n%s\nwant\n%s", p.table(), dumpOf(p.t, p.replay()))
	}
}

// TestAStaleBaseRefoldsToTheReplay crashes at every stage, keeps any part of
// what was not synced, and folds the rest of the log.
func TestAStaleBaseRefoldsToTheReplay(t *testing.T) {
	seeds := uint64(40)
	if raceEnabled {
		seeds = 4
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1))
		p := newPartition(t, 16<<10)
		p.ingestMin = []int{1, 100, ingestEntriesMin}[rng.IntN(3)]
		p.base.ingestMin = p.ingestMin
		for i := range 600 {
			p.write([]string{"", fmt.Sprintf("id-%d", i)}[rng.IntN(2)], fmt.Sprintf("lock-%d", rng.IntN(400)))
			switch rng.IntN(100) {
			case 0:
				p.checkpoint()
			case 1:
				p.must(p.base.Sync())
			case 2:
				p.crash(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
				p.open()
				p.sameAsReplay()
			default:
				p.flush()
			}
		}
		p.sameAsReplay()
		p.close(true)
	}
}

// TestABaseAheadOfItsLogIsEmptied loses the log's tail after the base had it.
func TestABaseAheadOfItsLogIsEmptied(t *testing.T) {
	p := newPartition(t, 1<<20)
	for i := range 10 {
		p.write(fmt.Sprintf("id-%d", i), "x", fmt.Sprintf("lock-%d", i))
	}
	p.close(true)
	p.log, p.end, p.hw = p.log[:5], 5, 5
	p.open()
	defer func() { p.close(true) }()
	p.sameAsReplay()
	if p.locks.HistoryStart() != 0 {
		t.Errorf("history starts at %d, want 0: the log is whole", p.locks.HistoryStart())
	}
	p.write("id-7", "x") // it is free again: offset 7 is lost
}

// TestAnUnknownFormatIsFoldedAgain opens a base whose entries nobody can read.
func TestAnUnknownFormatIsFoldedAgain(t *testing.T) {
	p := newPartition(t, 1<<20)
	p.write("id", "x", "y")
	p.checkpoint()
	key := p.locks.base.at.appendKey(nil, kindMeta, nil)
	p.must(p.base.db.Set(key, []byte("\x02 from the future"), pebble.NoSync))
	p.close(false)
	p.open()
	defer func() { p.close(true) }()
	if p.locks.Applied() != protocol.None {
		t.Errorf("the base is said to have applied %d", p.locks.Applied())
	}
	p.sameAsReplay()
}

// TestDeletedPartitionLeavesNothing deletes one of two partitions.
func TestDeletedPartitionLeavesNothing(t *testing.T) {
	p := newPartition(t, 1<<20)
	defer func() { p.close(false) }()
	p.write("id", "x")
	p.checkpoint()
	p.must(p.base.Delete(protocol.TopicPartition{Topic: testPartition.Topic, Index: testPartition.Index + 1}))
	if _, _, known, err := p.locks.Last([]byte("x")); err != nil || !known {
		t.Fatalf("the neighbour was deleted too: %v", err)
	}
	p.must(p.base.Delete(testPartition))
	iter, err := p.base.db.NewIter(nil)
	p.must(err)
	if iter.First() {
		t.Errorf("key %x is left", iter.Key())
	}
	p.must(iter.Close())
}

// TestWhatTheBaseCannotReadIsNotJudged fails every read: no admission, no
// refusal, an error.
func TestWhatTheBaseCannotReadIsNotJudged(t *testing.T) {
	p := newPartition(t, 1<<20)
	for i := range 3000 {
		p.write("", fmt.Sprintf("lock-%d", i))
	}
	p.close(true)
	var broken errorfs.Toggle
	broken.Injector = errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt {
			return errorfs.ErrInjected
		}
		return nil
	})
	base, err := OpenBase(errorfs.Wrap(p.fs, &broken), "base")
	p.must(err)
	defer base.Close()
	part, err := base.Partition(testPartition)
	p.must(err)
	c, err := Open(Options{Base: part, LogStart: 0, LogEnd: p.end})
	p.must(err)
	r := requestOf([][]byte{[]byte("lock-2500")}, 10)
	broken.On()
	v := c.Judge(r, p.hw)
	if !errors.Is(v.Err, errorfs.ErrInjected) || v.Refusal != nil || v.Admitted() {
		t.Errorf("with a base that cannot be read the verdict is %+v", v)
	}
	broken.Off()
	if v := c.Judge(r, p.hw); v.Err != nil || v.Refusal == nil || v.Refusal.Last != 2500 {
		t.Errorf("with a base that can be read again the verdict is %+v", v)
	}
}

// TestAFailedWriteIsTriedAgain fails the creation of the table once.
func TestAFailedWriteIsTriedAgain(t *testing.T) {
	p := newPartition(t, 1<<20)
	p.close(false)
	var broken errorfs.Toggle
	broken.Injector = errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpCreate {
			return errorfs.ErrInjected
		}
		return nil
	})
	base, err := OpenBase(errorfs.Wrap(p.fs, &broken), "base")
	p.must(err)
	p.base = base
	part, err := base.Partition(testPartition)
	p.must(err)
	p.locks, err = Open(Options{Base: part})
	p.must(err)
	for i := range 3000 {
		p.write("", fmt.Sprintf("lock-%d", i))
	}
	broken.On()
	err = p.locks.Checkpoint(p.hw, p.nowMs)()
	broken.Off()
	if !errors.Is(err, errorfs.ErrInjected) {
		t.Fatalf("the write reports %v", err)
	}
	p.locks.Flushed(err)
	if p.locks.Applied() != protocol.None {
		t.Errorf("the base is said to have applied %d", p.locks.Applied())
	}
	p.sameAsReplay()
	p.checkpoint()
	if p.locks.Applied() != p.end-1 {
		t.Errorf("the base has applied %d, want %d", p.locks.Applied(), p.end-1)
	}
	p.sameAsReplay()
	p.close(true)
}

// TestBaseFormat holds the bytes of format.go.
func TestBaseFormat(t *testing.T) {
	at := prefixOf(protocol.TopicPartition{Topic: protocol.TopicID{0xaa, 15: 0xbb}, Index: 7})
	m := meta{applied: 41, history: 3, newest: newest{offset: 40}, hasLocks: true, hasIDs: true}
	m.newest.by.set([]byte("req-9"))
	e := idEntry{first: 18, count: 2, digest: digest{0xd1, 15: 0xd2}}
	got := []string{
		hex.EncodeToString(at.appendKey(nil, kindLock, []byte("acct:7"))),
		hex.EncodeToString(m.append(nil)),
		hex.EncodeToString(appendID(nil, e, 1000)),
		hex.EncodeToString(appendLock(nil, 18, 1000, []byte("req-9"))),
	}
	want := []string{
		"aa0000000000000000000000000000bb" + "00000007" + "6c" + "616363743a37",
		"01" + "03" + "0000000000000029" + "0000000000000003" + "0000000000000028" + "7265712d39",
		"0000000000000012" + "00000002" + "00000000000003e8" + "d10000000000000000000000000000d2",
		"0000000000000012" + "00000000000003e8" + "7265712d39",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the format is\n%q\nwant\n%q", got, want)
	}
	if back, ok := readMeta(m.append(nil)); !ok || back != m {
		t.Errorf("meta %+v comes back as %+v", m, back)
	}
	if back, seen, ok := readID(appendID(nil, e, 1000)); !ok || back != e || seen != 1000 {
		t.Errorf("id %+v comes back as %+v", e, back)
	}
}

// FuzzBaseValues reads entries that nobody wrote: never a panic, and what is
// read is written the same.
func FuzzBaseValues(f *testing.F) {
	f.Add((&meta{applied: 41, newest: newest{offset: 40}}).append(nil))
	f.Add(appendID(nil, idEntry{first: 18, count: 2}, 1000))
	f.Add(appendLock(nil, 18, 1000, []byte("req-9")))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, ok := readMeta(b); ok {
			again, ok := readMeta(m.append(nil))
			if !ok || again != m {
				t.Errorf("meta %+v comes back as %+v", m, again)
			}
		}
		if e, seen, ok := readID(b); ok && string(appendID(nil, e, seen)) != string(b) {
			t.Errorf("id %x comes back as %x", b, appendID(nil, e, seen))
		}
		if last, seen, by, ok := readLock(b); ok && string(appendLock(nil, last, seen, by)) != string(b) {
			t.Errorf("lock %x comes back as %x", b, appendLock(nil, last, seen, by))
		}
	})
}

// TestASyncThatFailedMayBeAskedForAgain: Pebble met an error in the background,
// as it does without a file descriptor or on a full disk, and tries again; when
// it is through, the next Sync says so, and what waits for it goes on. A try that
// began while the disk was broken may fail after it is mended: Pebble makes one at
// a time, so none is left when one has got as far as its table.
func TestASyncThatFailedMayBeAskedForAgain(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	through := make(chan struct{})
	once := sync.OnceFunc(func() { close(through) })
	injector := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind != errorfs.OpCreate || !strings.HasSuffix(op.Path, ".sst") {
			return nil
		}
		if broken.Load() {
			return errorfs.ErrInjected
		}
		once()
		return nil
	})
	base, err := OpenBase(errorfs.Wrap(vfs.NewMem(), injector), "base")
	if err != nil {
		t.Fatal(err)
	}
	if err := base.Delete(testPartition); err != nil { // something to write
		t.Fatal(err)
	}
	if err := base.Sync(); !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("the sync reports %v", err)
	}
	broken.Store(false)
	<-through
	if err := base.Sync(); err != nil {
		t.Errorf("the next sync reports %v", err)
	}
	if err := base.Close(); err != nil {
		t.Error(err)
	}
}
