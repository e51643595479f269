package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// keyed appends a batch with a record for each word, of the form key=value;
// without "=" it is a tombstone.
func keyed(t testing.TB, l *Log, epoch protocol.LeaderEpoch, ms int64, words ...string) record.Batch {
	t.Helper()
	b := record.NewBuilder(record.CodecNone).Place(l.End(), epoch)
	for _, word := range words {
		key, value, alive := bytes.Cut([]byte(word), []byte("="))
		if !alive {
			value = nil
		}
		b.Add(record.Record{Timestamp: ms, Key: key, Value: value})
	}
	raw, err := b.Build()
	must(t, err)
	view, _, err := record.View(raw)
	must(t, err)
	must(t, l.Append(ms, view))
	return view
}

// roll begins a new segment, so that what is before can be compacted.
func roll(t testing.TB, l *Log) {
	t.Helper()
	must(t, l.rollIdle())
	l.publish()
}

// words is what a log holds, as keyed takes it, with offsets.
func words(t testing.TB, l *Log) (out []string) {
	t.Helper()
	records, _, err := readAll(l)
	must(t, err)
	for _, k := range records {
		if k.tombstone {
			out = append(out, fmt.Sprintf("%d:%s", k.offset, k.key))
		} else {
			out = append(out, fmt.Sprintf("%d:%s=%s", k.offset, k.key, k.value))
		}
	}
	return out
}

func wantWords(t testing.TB, l *Log, want ...string) {
	t.Helper()
	if got := words(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("the log holds %v, want %v", got, want)
	}
}

func compacted(t testing.TB, l *Log, o CompactOptions) *Compaction {
	t.Helper()
	if o.Below == 0 {
		o.Below = l.End()
	}
	c, err := compactWhole(l, o)
	must(t, err)
	return c
}

func memLog(t testing.TB) (*Log, *vfs.MemFS) {
	fs := vfs.NewCrashableMem()
	return open(t, fs, Config{}), fs
}

func TestCompactionKeepsTheNewestOfEachKeyAndItsOffset(t *testing.T) {
	l, _ := memLog(t)
	keyed(t, l, 0, 1, "a=1", "b=1", "a=2")
	keyed(t, l, 0, 2, "a=3", "a=4")
	keyed(t, l, 0, 3, "c=1")
	roll(t, l)
	keyed(t, l, 0, 4, "a=5", "d=1")
	roll(t, l)
	keyed(t, l, 0, 5, "b=2") // the active segment supersedes nothing yet
	c := compacted(t, l, CompactOptions{})
	wantWords(t, l, "1:b=1", "5:c=1", "6:a=5", "7:d=1", "8:b=2")
	if l.Segments() != 2 {
		t.Errorf("%d segments, small neighbours should be one", l.Segments())
	}
	if s := c.Stats(); s.RecordsIn != 8 || s.RecordsOut != 4 || s.SegmentsIn != 2 || s.SegmentsOut != 1 || s.Keys != 4 {
		t.Errorf("stats are %+v", s)
	}
	roll(t, l)
	compacted(t, l, CompactOptions{})
	wantWords(t, l, "5:c=1", "6:a=5", "7:d=1", "8:b=2")
	must(t, l.Close())
}

func TestTombstoneGoesWhenItsHorizonHasPassed(t *testing.T) {
	l, _ := memLog(t)
	keyed(t, l, 0, 1, "a=1", "b=1")
	keyed(t, l, 0, 7, "a", "c=1")
	roll(t, l)
	compacted(t, l, CompactOptions{NowMs: 1000, DeleteRetentionMs: 500})
	wantWords(t, l, "1:b=1", "2:a", "3:c=1")
	must(t, l.Scan(2, everything, func(b record.Batch) error {
		if horizon, ok := b.DeleteHorizon(); !ok || horizon != 1500 {
			t.Errorf("delete horizon is %d, %v", horizon, ok)
		}
		return nil
	}))
	if records, _, err := readAll(l); err != nil || records[2].time != 7 {
		t.Errorf("the time of a record beside the tombstone is %d, %v", records[2].time, err)
	}
	for _, step := range []struct {
		nowMs int64
		want  []string
	}{
		{1499, []string{"1:b=1", "2:a", "3:c=1", "4:x=1"}},
		{1500, []string{"1:b=1", "3:c=1", "4:x=1", "5:x=1"}},
	} {
		keyed(t, l, 0, 8, "x=1")
		if step.nowMs == 1500 {
			step.want = []string{"1:b=1", "3:c=1", "5:x=1"}
		}
		roll(t, l)
		compacted(t, l, CompactOptions{NowMs: step.nowMs, DeleteRetentionMs: 500})
		wantWords(t, l, step.want...)
	}
	must(t, l.Close())
}

func TestMinCompactionLagKeepsYoungSegmentsAsTheyAre(t *testing.T) {
	l, _ := memLog(t)
	keyed(t, l, 0, 100, "a=1", "a=2")
	roll(t, l)
	keyed(t, l, 0, 200, "a=3", "a=4")
	roll(t, l)
	o := CompactOptions{Below: l.End(), NowMs: 250, MinLagMs: 100}
	debt, err := l.Debt(o.NowMs, o.Below, o.MinLagMs)
	must(t, err)
	if debt.OldestMs != 100 || debt.Ratio() != 1 || debt.DirtyBytes*2 != l.Size() {
		t.Errorf("debt is %+v of %d bytes", debt, l.Size())
	}
	compacted(t, l, o)
	wantWords(t, l, "1:a=2", "2:a=3", "3:a=4")
	o.NowMs = 300
	compacted(t, l, o)
	wantWords(t, l, "3:a=4")
	if debt, err = l.Debt(o.NowMs, o.Below, o.MinLagMs); err != nil || debt.DirtyBytes != 0 || debt.Ratio() != 0 {
		t.Errorf("debt is %+v, %v", debt, err)
	}
	if c, err := l.Compact(o); c != nil || err != nil {
		t.Errorf("a pass over nothing: %v, %v", c, err)
	}
	must(t, l.Close())
}

func TestNothingAtOrAboveTheHighWatermarkSupersedes(t *testing.T) {
	l, _ := memLog(t)
	keyed(t, l, 0, 1, "a=1", "a=2")
	roll(t, l)
	keyed(t, l, 0, 1, "a=3")
	roll(t, l)
	compacted(t, l, CompactOptions{Below: 2})
	wantWords(t, l, "1:a=2", "2:a=3")
	must(t, l.Truncate(2)) // as a follower of a new leader does
	wantWords(t, l, "1:a=2")
	must(t, l.Close())
}

// The goal: who reads a file that compaction replaces reads on.
func TestOpenRangesOutliveTheSwap(t *testing.T) {
	l, _ := memLog(t)
	keyed(t, l, 0, 1, "a=1", "b=1")
	keyed(t, l, 0, 1, "a=2")
	roll(t, l)
	r, err := l.Read(0, everything, 1<<20, true)
	must(t, err)
	before, err := r.AppendTo(nil)
	must(t, err)
	compacted(t, l, CompactOptions{})
	wantWords(t, l, "1:b=1", "2:a=2")
	after, err := r.AppendTo(nil)
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the bytes of an open range have changed")
	}
	r.Close()
	must(t, l.Close())
}

// The goal: a follower that copies a compacted log batch by batch has the same
// log, from whatever offset it begins, gaps included, through crashes, and in
// one segment.
func TestFollowerCopiesACompactedLog(t *testing.T) {
	leader, _ := memLog(t)
	for i := range 60 {
		keyed(t, leader, protocol.LeaderEpoch(i/25), int64(i), fmt.Sprintf("k%d=%d", i*7%20, i), fmt.Sprintf("j%d=%d", i*5%9, i))
		if i%10 == 9 {
			roll(t, leader)
		}
	}
	compacted(t, leader, CompactOptions{})
	want, heads, err := readAll(leader)
	must(t, err)
	inside := func(o protocol.Offset) bool {
		return slices.ContainsFunc(heads, func(h batchHead) bool { return h.base < o && o <= h.last })
	}
	if len(want) != 29 {
		t.Fatalf("%d records are left of 29 keys", len(want))
	}
	for from := protocol.Offset(0); from < leader.End(); from += 3 {
		if inside(from) {
			continue // no log ends there
		}
		fs := vfs.NewCrashableMem()
		rng := rand.New(rand.NewPCG(uint64(from), 0))
		follower := open(t, fs, Config{})
		if from > 0 {
			must(t, follower.SetStart(from))
		}
		for n := 0; follower.End() < leader.End(); n++ {
			r, err := leader.Read(follower.End(), everything, 200, true)
			must(t, err)
			raw, err := r.AppendTo(nil)
			must(t, err)
			r.Close()
			var group []record.Batch
			for len(raw) > 0 {
				b, size, err := record.View(raw)
				must(t, err)
				if b.LastOffset() >= from {
					group = append(group, b)
				}
				raw = raw[size:]
			}
			must(t, follower.Append(0, group...))
			must(t, follower.Sync())
			if n%5 == 2 {
				fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
				must(t, follower.w.closeFiles())
				follower = open(t, fs, Config{})
			}
		}
		got, _, err := readAll(follower)
		must(t, err)
		var expected []kept
		for _, k := range want {
			if k.offset >= from {
				expected = append(expected, k)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(expected) {
			t.Fatalf("copied from %d: %v, want %v", from, got, expected)
		}
		if follower.Segments() > 2 {
			t.Fatalf("%d segments for %d gaps", follower.Segments(), len(got))
		}
		must(t, follower.Close())
	}
	must(t, leader.Close())
}

// The goal: a replica that wrote on its own where another's log has a gap is
// told to cut all of that off: any offset of the gap may be the next epoch's.
func TestEpochThatBeginsBehindAGapBeginsWithTheGap(t *testing.T) {
	l, fs := memLog(t)
	keyed(t, l, 0, 1, "a=1", "b=1", "c=1")
	must(t, l.Append(1, batch(t, batchSpec{base: 10, epoch: 3, times: []int64{1}})))
	must(t, l.Sync())
	for range 2 {
		if epoch, end := l.EpochEnd(2); epoch != 0 || end != 3 {
			t.Fatalf("epoch %d ends at %d, want 0 at 3", epoch, end)
		}
		if l.EpochAt(10) != 3 || l.EpochAt(2) != 0 || l.End() != 11 || l.Segments() != 1 {
			t.Fatalf("epochs are %v, the end is %d", l.snap.Load().epochs, l.End())
		}
		must(t, l.w.closeFiles())
		l = open(t, fs.CrashClone(vfs.CrashCloneCfg{}), Config{})
	}
	must(t, l.Close())
}

// The goal: a pass whose segments are cut off or trimmed meanwhile does nothing,
// and leaves no file.
func TestCompactionStandsBackWhereTheLogChanged(t *testing.T) {
	for name, change := range map[string]func(*Log) error{
		"truncated": func(l *Log) error { return l.Truncate(1) },
		"trimmed":   func(l *Log) error { return l.SetStart(4) },
		"reset":     func(l *Log) error { return l.SetStart(100) },
	} {
		t.Run(name, func(t *testing.T) {
			l, fs := memLog(t)
			keyed(t, l, 0, 1, "a=1", "b=1")
			keyed(t, l, 0, 1, "a=2", "b=2")
			roll(t, l)
			keyed(t, l, 0, 1, "c=1")
			for _, late := range []bool{true, false} {
				c, err := l.Compact(CompactOptions{Below: 4})
				must(t, err)
				if c == nil {
					break
				}
				if late {
					if more, err := c.Next(context.Background()); !more || err != nil {
						t.Fatal(more, err)
					}
					must(t, change(l))
					if err := l.Adopt(c); err != ErrCompactionStale {
						t.Fatalf("adopted: %v", err)
					}
				} else if _, err := c.Next(context.Background()); err != nil {
					t.Fatal(err)
				}
				must(t, c.Close())
			}
			if err := newCompactionRun(t, 0).checkFiles(l, fs); err != nil {
				t.Error(err)
			}
			_, _, err := readAll(l)
			must(t, err)
			must(t, l.Close())
		})
	}
}

func TestOneCompactionAtATimeAndAnyMayBeStopped(t *testing.T) {
	l, fs := memLog(t)
	keyed(t, l, 0, 1, "a=1", "a=2")
	roll(t, l)
	stop := errors.New("stop")
	c, err := l.Compact(CompactOptions{Below: l.End(), Pace: func(_ context.Context, n int) error {
		if n == 0 {
			return nil
		}
		return stop
	}})
	must(t, err)
	if _, err := l.Compact(CompactOptions{Below: l.End()}); err != ErrCompacting {
		t.Errorf("a second pass: %v", err)
	}
	if _, err := c.Next(context.Background()); err != stop {
		t.Errorf("stopped with %v", err)
	}
	must(t, c.Close())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c, err = l.Compact(CompactOptions{Below: l.End()})
	must(t, err)
	if _, err := c.Next(ctx); err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	must(t, c.Close())
	wantWords(t, l, "0:a=1", "1:a=2")
	must(t, newCompactionRun(t, 0).checkFiles(l, fs))
	must(t, l.Close())
}

// The goal: with less memory than there are keys it takes more passes, and no
// more than that.
func TestSmallMapTakesMorePasses(t *testing.T) {
	l := open(t, vfs.NewCrashableMem(), Config{SegmentBytes: 3000})
	var want []string
	for round := range 3 {
		for i := range 200 {
			if round == 2 {
				want = append(want, fmt.Sprintf("%d:k%d=%d", l.End(), i, round))
			}
			keyed(t, l, 0, 1, fmt.Sprintf("k%d=%d", i, round))
		}
	}
	roll(t, l)
	passes := 0
	for ; ; passes++ {
		if passes > 30 {
			t.Fatal("there is no end to it")
		}
		if c := compacted(t, l, CompactOptions{MapBytes: 60 * slotBytes}); c == nil {
			break
		}
	}
	wantWords(t, l, want...)
	if passes < 600/60 {
		t.Errorf("%d passes for 600 records of 200 keys and a map of 51", passes)
	}
	must(t, l.Close())
}

// The goal: batches of all sizes are copied in order, from before the first
// difference as well as from behind it, by one segment or several.
func TestCompactionCopiesBatchesOfAllSizes(t *testing.T) {
	for _, rolls := range []bool{false, true} {
		l, _ := memLog(t)
		rng := rand.New(rand.NewPCG(3, 3))
		want := map[protocol.Offset]string{}
		for i := range 200 {
			key := fmt.Sprint("k", i)
			if i > 40 && i%10 == 0 {
				key = "again"
			}
			value := bytes.Repeat([]byte{'v'}, 1+rng.IntN([]int{10, 1000, 50_000, 150_000}[rng.IntN(4)]))
			for o, k := range want {
				if k == key {
					delete(want, o)
				}
			}
			want[l.End()] = key
			keyed(t, l, 0, int64(i), key+"="+string(value))
			if rolls && i == 100 {
				roll(t, l)
			}
		}
		roll(t, l)
		c := compacted(t, l, CompactOptions{})
		records, _, err := readAll(l)
		must(t, err)
		if len(records) != len(want) || l.Segments() != 2 || c.Stats().BytesWritten != l.Size() {
			t.Fatalf("%d records in %d segments, want %d; %d bytes of %d written", len(records), l.Segments(), len(want), c.Stats().BytesWritten, l.Size())
		}
		for _, k := range records {
			if want[k.offset] != k.key || k.time != int64(k.offset) {
				t.Fatalf("offset %d holds %s of time %d, want %s", k.offset, k.key, k.time, want[k.offset])
			}
		}
		must(t, l.Close())
	}
}

// The goal: damage ends a pass, and stays where it can be found.
func TestCompactionDoesNotLaunderDamage(t *testing.T) {
	l, fs := memLog(t)
	keyed(t, l, 0, 1, "a=1", "a=2")
	keyed(t, l, 0, 1, "b=1")
	roll(t, l)
	must(t, l.Close())
	b, err := readFile(fs, "/log/"+logName(at(0)))
	must(t, err)
	b[len(b)-2] ^= 1
	must(t, writeFile(fs, "/log", logName(at(0)), b))
	l = open(t, fs, Config{})
	if _, err := compactWhole(l, CompactOptions{Below: l.End()}); !isCorrupt(err) {
		t.Fatalf("compacted: %v", err)
	}
	if _, _, err := readAll(l); !isCorrupt(err) {
		t.Fatalf("read: %v", err)
	}
	must(t, l.Close())
}

// The goal: the map says what Go's would, up to the last entry that fits, and
// not more than that.
func TestOffsetMapIsExactUntilItIsFull(t *testing.T) {
	m, err := newOffsetMap(1<<40, 1<<20, 5000)
	must(t, err)
	defer m.release()
	want := map[string]protocol.Offset{}
	rng := rand.New(rand.NewPCG(1, 1))
	o := protocol.Offset(5000)
	for ; ; o++ {
		key := fmt.Sprint(rng.IntN(200_000))
		fits := m.put(hashKey([]byte(key)), o)
		_, known := want[key]
		if !fits {
			if known || m.n != m.full {
				t.Fatalf("offset %d does not fit %d of %d entries", o, m.n, m.full)
			}
			break
		}
		want[key] = o
	}
	if m.n != len(want) || m.n*100 < len(m.slots)*(loadPercent-1) {
		t.Fatalf("%d entries for %d keys in %d slots", m.n, len(want), len(m.slots))
	}
	for key, o := range want {
		at, last, found := m.find(hashKey([]byte(key)))
		if !found || last != o || m.pinned(at) {
			t.Fatalf("%s is at %d, %v, want %d", key, last, found, o)
		}
		m.pin(at)
		if _, last, _ := m.find(hashKey([]byte(key))); last != o || !m.pinned(at) {
			t.Fatalf("held, %s is at %d", key, last)
		}
		if _, _, found := m.find(hashLock([]byte(key))); found {
			t.Fatalf("lock %s is taken for the key", key)
		}
	}
	if m.put(hashKey([]byte("far")), 1<<50) {
		t.Error("an offset that is too far away fits")
	}
}
