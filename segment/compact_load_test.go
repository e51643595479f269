package segment

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/protocol/record"
)

// The goal: figures. How much memory a pass over a large log takes, and what it
// leaves of the rate of a writer that syncs each of its batches to the same log.
// It runs for minutes, so only when asked to:
//
//	LOCKSTEP_COMPACT_BYTES=5000000000 LOCKSTEP_COMPACT_KEYS=10000000 LOCKSTEP_COMPACT_RATE=50000000 \
//		go test ./segment -run TestCompactionUnderLoad -v
func TestCompactionUnderLoad(t *testing.T) {
	size, keys := fromEnv(t, "LOCKSTEP_COMPACT_BYTES"), fromEnv(t, "LOCKSTEP_COMPACT_KEYS")
	if size == 0 || keys == 0 {
		t.Skip("LOCKSTEP_COMPACT_BYTES and LOCKSTEP_COMPACT_KEYS are not set")
	}
	l, err := Open(vfs.Default, t.TempDir(), Config{SegmentBytes: 512 << 20})
	must(t, err)
	began := time.Now()
	for n := int64(0); l.Size() < size; n += loadRecords {
		must(t, l.Append(0, loadBatch(t, l, n, keys)))
	}
	must(t, l.Sync())
	t.Logf("%d MB in %d segments written in %v", l.Size()/1e6, l.Segments(), time.Since(began).Round(time.Second))
	before := anonBytes(t)

	w := &loadWriter{t: t, log: l, keys: keys, tasks: make(chan func()), stop: make(chan struct{})}
	var wait sync.WaitGroup
	wait.Add(1)
	go func() { defer wait.Done(); w.run() }()
	var peak int64
	began = time.Now()
	turns := &turns{w: w}
	wait.Add(1)
	go func() { defer wait.Done(); turns.take() }()
	stats := w.compact(fromEnv(t, "LOCKSTEP_COMPACT_RATE"), turns, &peak)
	took := time.Since(began)
	close(w.stop)
	wait.Wait()

	t.Logf("%d keys in a map of %d MiB, %d of %d records stay, %d MB read, %d MB written, in %v", stats.Keys, stats.MapBytes>>20,
		stats.RecordsOut, stats.RecordsIn, stats.BytesRead/1e6, stats.BytesWritten/1e6, took.Round(time.Second))
	t.Logf("memory beyond the page cache: %d MiB at its peak, %d MiB before", peak>>20, before>>20)
	alone, beside := turns.rates()
	t.Logf("synced appends a second: %.0f while compaction pauses, %.0f while it runs, which is %.2f", alone, beside, beside/alone)
	must(t, l.Close())
}

// turns lets compaction run and pause in turns, so that whatever else happens on
// the machine happens to both, and counts the writer's batches in each.
type turns struct {
	w       *loadWriter
	runs    atomic.Bool
	batches [2]int64
	spent   [2]time.Duration
}

const turn = 2 * time.Second

func (r *turns) take() {
	for n := 0; ; n ^= 1 {
		r.runs.Store(n == 1)
		time.Sleep(turn / 10) // what the other turn has left in the disk's queue
		before, began := r.w.start.Load(), time.Now()
		select {
		case <-r.w.stop:
			return
		case <-time.After(turn):
		}
		r.batches[n] += r.w.start.Load() - before
		r.spent[n] += time.Since(began)
	}
}

// pause waits while it is the other's turn.
func (r *turns) pause() {
	for !r.runs.Load() {
		time.Sleep(time.Millisecond)
	}
}

func (r *turns) rates() (alone, beside float64) {
	return float64(r.batches[0]) / r.spent[0].Seconds(), float64(r.batches[1]) / r.spent[1].Seconds()
}

const loadRecords = 100

func loadBatch(t testing.TB, l *Log, n, keys int64) record.Batch {
	b := record.NewBuilder(record.CodecNone).Place(l.End(), 0)
	value := bytes.Repeat([]byte{'v'}, 220)
	for i := range int64(loadRecords) {
		key := binary.BigEndian.AppendUint64([]byte("key-"), uint64((n+i)*7_368_787%keys))
		b.Add(record.Record{Timestamp: 1, Key: key, Value: value})
	}
	raw, err := b.Build()
	must(t, err)
	view, _, err := record.View(raw)
	must(t, err)
	return view
}

// loadWriter owns the log, as a partition's loop does.
type loadWriter struct {
	t     testing.TB
	log   *Log
	keys  int64
	start atomic.Int64 // batches written
	tasks chan func()
	stop  chan struct{}
}

func (w *loadWriter) run() {
	for n := int64(0); ; n += loadRecords {
		select {
		case <-w.stop:
			return
		case f := <-w.tasks:
			f()
		default:
		}
		must(w.t, w.log.Append(0, loadBatch(w.t, w.log, n, w.keys)))
		must(w.t, w.log.Sync())
		w.start.Add(1)
	}
}

func (w *loadWriter) do(f func()) {
	done := make(chan struct{})
	w.tasks <- func() { f(); close(done) }
	<-done
}

// compact makes passes until all that was there at the beginning is compacted.
func (w *loadWriter) compact(bytesPerSecond int64, turns *turns, peak *int64) (sum CompactStats) {
	below := w.log.End()
	limit := rate.NewLimiter(rate.Inf, 1<<20)
	if bytesPerSecond > 0 {
		limit.SetLimit(rate.Limit(bytesPerSecond))
	}
	o := CompactOptions{Below: below, Pace: func(ctx context.Context, n int) error {
		*peak = max(*peak, anonBytes(w.t))
		turns.pause()
		return limit.WaitN(ctx, n)
	}}
	for {
		var c *Compaction
		w.do(func() {
			var err error
			c, err = w.log.Compact(o)
			must(w.t, err)
		})
		if c == nil {
			return sum
		}
		for {
			more, err := c.Next(context.Background())
			must(w.t, err)
			if !more {
				break
			}
			w.do(func() { must(w.t, w.log.Adopt(c)) })
		}
		must(w.t, c.Close())
		s := c.Stats()
		w.t.Logf("a pass up to offset %d: %+v", c.until, s)
		sum.Keys = max(sum.Keys, s.Keys)
		sum.MapBytes = s.MapBytes
		sum.RecordsIn += s.RecordsIn
		sum.RecordsOut += s.RecordsOut
		sum.BytesRead += s.BytesRead
		sum.BytesWritten += s.BytesWritten
	}
}

func fromEnv(t testing.TB, name string) int64 {
	text := os.Getenv(name)
	if text == "" {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	must(t, err)
	return n
}

// anonBytes is the memory of this process that is not of files.
func anonBytes(t testing.TB) int64 {
	b, err := os.ReadFile("/proc/self/status")
	must(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			var kib int64
			_, err := fmt.Sscan(rest, &kib)
			must(t, err)
			return kib << 10
		}
	}
	return 0
}
