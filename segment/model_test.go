package segment

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// The goal: a Log does what a slice of batches does, whatever is done to it,
// closed, crashed and opened again included. Method: random operations on both.

// modelBatch is what the model keeps of a batch.
type modelBatch struct {
	raw        []byte
	base, last protocol.Offset
	epoch      protocol.LeaderEpoch
	times      []int64
}

type model struct {
	fs      *vfs.MemFS
	cfg     Config
	log     *Log
	batches []modelBatch
	start   protocol.Offset
	end     protocol.Offset
	synced  int // batches that must survive
	epoch   protocol.LeaderEpoch
	now     int64
}

func TestLogDoesWhatASliceDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{fs: vfs.NewCrashableMem(), cfg: smallConfig(t)}
		must2(t, m.fs.MkdirAll("/", 0o755))
		m.reopen(t)
		t.Repeat(map[string]func(*rapid.T){
			"append":     m.append,
			"append2":    m.append,
			"append3":    m.append,
			"sync":       m.sync,
			"checkpoint": m.checkpoint,
			"read":       m.read,
			"truncate":   m.truncate,
			"set start":  m.setStart,
			"retain":     m.retain,
			"close":      m.close,
			"crash":      m.crash,
			"time":       m.time,
			"epochs":     m.epochs,
			"":           m.check,
		})
		must2(t, m.log.Close())
	})
}

func must2(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func smallConfig(t *rapid.T) Config {
	return Config{
		SegmentBytes:       rapid.Int64Range(500, 40000).Draw(t, "segment bytes"),
		SegmentMs:          rapid.Int64Range(100, 10000).Draw(t, "segment ms"),
		IndexIntervalBytes: rapid.Int64Range(1, 2000).Draw(t, "index interval"),
	}
}

func (m *model) reopen(t *rapid.T) {
	l, err := Open(m.fs, "/log", m.cfg)
	must2(t, err)
	m.log = l
}

func (m *model) append(t *rapid.T) {
	n := rapid.IntRange(1, 4).Draw(t, "batches")
	if rapid.IntRange(0, 5).Draw(t, "new epoch") == 0 {
		m.epoch += protocol.LeaderEpoch(rapid.IntRange(1, 3).Draw(t, "by"))
	}
	var group []record.Batch
	for range n {
		base := m.end
		if rapid.IntRange(0, 9).Draw(t, "gap") == 0 {
			base += protocol.Offset(rapid.IntRange(1, 20).Draw(t, "of"))
		}
		times := rapid.SliceOfN(rapid.Int64Range(m.now, m.now+200), 1, 5).Draw(t, "times")
		m.now += rapid.Int64Range(0, 100).Draw(t, "later")
		size := rapid.SampledFrom([]int{0, 10, 100, 700, 3000}).Draw(t, "value")
		fill := rapid.SampledFrom([]byte{0, 'x'}).Draw(t, "fill")
		b := batchOf(t, batchSpec{base: base, epoch: m.epoch, times: times, value: bytes.Repeat([]byte{fill}, size)})
		group = append(group, b)
		m.batches = append(m.batches, modelBatch{raw: bytes.Clone(b.Bytes()), base: base, last: b.LastOffset(), epoch: m.epoch, times: times})
		m.end = b.NextOffset()
	}
	must2(t, m.log.Append(m.now, group...))
}

func batchOf(t *rapid.T, s batchSpec) record.Batch {
	b := record.NewBuilder(record.CodecNone).Place(s.base, s.epoch)
	for _, at := range s.times {
		b.Add(record.Record{Timestamp: at, Value: s.value})
	}
	raw, err := b.Build()
	must2(t, err)
	view, _, err := record.View(raw)
	must2(t, err)
	return view
}

func (m *model) sync(t *rapid.T) {
	must2(t, m.log.Sync())
	m.synced = len(m.batches)
}

func (m *model) checkpoint(t *rapid.T) {
	must2(t, m.log.Checkpoint())
	m.synced = len(m.batches)
	must2(t, m.log.WriteCheckpoint("fold", m.end, []byte("state")))
}

func (m *model) close(t *rapid.T) {
	must2(t, m.log.Close())
	m.synced = len(m.batches)
	m.reopen(t)
	if r := m.log.Recovery(); !r.Clean || r.ScannedBytes != 0 {
		t.Fatalf("a log that was closed was recovered: %+v", r)
	}
}

// crash cuts the power; some of what was not synced survives, by the page.
func (m *model) crash(t *rapid.T) {
	percent := rapid.SampledFrom([]int{0, 30, 50, 90, 100}).Draw(t, "survives")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	m.fs = m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
	old := m.log
	m.reopen(t)
	_ = old.w.closeFiles()
	n := len(m.batches)
	for n > m.synced && m.batches[n-1].last >= m.log.End() {
		n--
	}
	m.batches = m.batches[:n]
	m.synced = n
	m.end = m.log.End()
	if n > 0 && m.end < m.batches[n-1].last+1 {
		t.Fatalf("the log ends at %d; synced to %d", m.end, m.batches[n-1].last+1)
	}
}

func (m *model) truncate(t *rapid.T) {
	if m.end == 0 {
		return
	}
	// Mostly near the end, as followers do.
	back := rapid.SampledFrom([]int64{1, 5, 50, 1000}).Draw(t, "back")
	to := m.end - protocol.Offset(rapid.Int64Range(0, min(back, int64(m.end))).Draw(t, "by"))
	must2(t, m.log.Truncate(to))
	if to >= m.end {
		return
	}
	want := to
	for n := len(m.batches); n > 0 && m.batches[n-1].last >= to; n-- {
		want = min(want, m.batches[n-1].base)
		m.batches = m.batches[:n-1]
	}
	end := m.log.End()
	hidden := to < m.start // by a batch that is still there although the start has passed it
	if end != want && !(hidden && end < want) {
		t.Fatalf("truncated to %d, the log ends at %d, want %d", to, end, want)
	}
	m.end, m.start = end, min(m.start, end)
	m.synced = len(m.batches)
	m.epoch = max(m.epoch, m.log.LatestEpoch())
}

func (m *model) setStart(t *rapid.T) {
	ahead := rapid.SampledFrom([]int64{0, 3, 30, 300}).Draw(t, "ahead")
	o := m.start + protocol.Offset(rapid.Int64Range(0, ahead).Draw(t, "by"))
	must2(t, m.log.SetStart(o))
	if o <= m.start {
		return
	}
	m.start = o
	if o > m.end {
		m.end, m.batches = o, nil
	}
	m.synced = len(m.batches)
	m.forget()
}

// forget drops the batches below the start.
func (m *model) forget() {
	for len(m.batches) > 0 && m.batches[0].last < m.start {
		m.batches = m.batches[1:]
		m.synced = max(0, m.synced-1)
	}
}

func (m *model) retain(t *rapid.T) {
	cfg := m.cfg
	keep := rapid.Int64Range(0, 60000).Draw(t, "retention bytes")
	cfg.RetentionBytes = protocol.LimitOf(keep)
	m.log.SetConfig(cfg)
	below := m.start + protocol.Offset(rapid.Int64Range(0, int64(m.end-m.start)).Draw(t, "below"))
	start, err := m.log.Retain(m.now, below)
	must2(t, err)
	if start < m.start || start > max(below, m.start) {
		t.Fatalf("start %d after retention, was %d, bound %d", start, m.start, below)
	}
	if start > m.start {
		m.synced = len(m.batches)
	}
	if below == m.end && m.log.Size() > keep+cfg.SegmentBytes+20000 {
		t.Fatalf("%d bytes kept, %d wanted", m.log.Size(), keep)
	}
	m.start = start
	m.forget()
	m.log.SetConfig(m.cfg)
}

func (m *model) read(t *rapid.T) {
	from := m.start + protocol.Offset(rapid.Int64Range(-1, int64(m.end-m.start)+1).Draw(t, "from"))
	below := m.start + protocol.Offset(rapid.Int64Range(0, int64(m.end-m.start)+1).Draw(t, "below"))
	maxBytes := rapid.SampledFrom([]int{0, 100, 1000, 10000, 1 << 20}).Draw(t, "max bytes")
	atLeastOne := rapid.Bool().Draw(t, "at least one")
	r, err := m.log.Read(from, below, maxBytes, atLeastOne)
	if from < m.start || from > m.end {
		if !errors.Is(err, ErrOffsetOutOfRange) {
			t.Fatalf("read at %d of %d to %d: %v", from, m.start, m.end, err)
		}
		return
	}
	must2(t, err)
	defer r.Close()
	got, err := r.AppendTo([]byte("before"))
	must2(t, err)
	must2(t, r.Verify())
	m.checkRange(t, r, got[len("before"):], from, below, maxBytes, atLeastOne)
}

// checkRange holds a range against the batches that it may have.
func (m *model) checkRange(t *rapid.T, r Range, got []byte, from, below protocol.Offset, maxBytes int, atLeastOne bool) {
	i := 0
	for i < len(m.batches) && m.batches[i].last < from {
		i++
	}
	mayHave := i < len(m.batches) && m.batches[i].last < below &&
		(atLeastOne || len(m.batches[i].raw) <= maxBytes)
	if mayHave != (r.Len() > 0) {
		t.Fatalf("read %d bytes at %d below %d", r.Len(), from, below)
	}
	if r.Len() != len(got) {
		t.Fatalf("range of %d bytes gave %d", r.Len(), len(got))
	}
	next := from
	for n := 0; len(got) > 0; n++ {
		b := m.batches[i]
		if b.last >= below || n > 0 && maxBytes < len(b.raw) || !bytes.HasPrefix(got, b.raw) {
			t.Fatalf("batch %d of the range is not the one at offset %d, or goes beyond %d", n, b.base, below)
		}
		got, maxBytes = got[len(b.raw):], maxBytes-len(b.raw)
		next = b.last + 1
		i++
	}
	if r.NextOffset() < next || i < len(m.batches) && r.NextOffset() > max(next, m.batches[i].base) {
		t.Fatalf("next offset is %d, should be %d", r.NextOffset(), next)
	}
}

func (m *model) time(t *rapid.T) {
	ts := rapid.Int64Range(0, m.now+300).Draw(t, "ts")
	o, at, epoch, ok, err := m.log.OffsetForTime(ts)
	must2(t, err)
	maxO, maxAt, maxEpoch, maxOK, err := m.log.MaxTimestamp()
	must2(t, err)
	var want, most found
	for _, b := range m.batches {
		for i, recordTime := range b.times {
			f := found{offset: b.base + protocol.Offset(i), time: recordTime, epoch: b.epoch, ok: true}
			if f.offset < m.start {
				continue
			}
			if recordTime >= ts && !want.ok {
				want = f
			}
			if !most.ok || recordTime > most.time {
				most = f
			}
		}
	}
	if got := (found{o, at, epoch, ok}); got != want && (got.ok || want.ok) {
		t.Fatalf("first at %d: %+v, want %+v", ts, got, want)
	}
	if got := (found{maxO, maxAt, maxEpoch, maxOK}); got != most && (got.ok || most.ok) {
		t.Fatalf("greatest timestamp: %+v, want %+v", got, most)
	}
}

func (m *model) epochs(t *rapid.T) {
	for i, b := range m.batches {
		if got := m.log.EpochAt(b.last); got != b.epoch {
			t.Fatalf("offset %d is of epoch %d, want %d", b.last, got, b.epoch)
		}
		if i == 0 || m.batches[i-1].epoch == b.epoch {
			continue
		}
		// In a gap, the epoch before may end anywhere, and others may have been.
		before := m.batches[i-1]
		epoch, end := m.log.EpochEnd(b.epoch - 1)
		if epoch < before.epoch || epoch >= b.epoch || end <= before.last || end > b.base {
			t.Fatalf("epoch %d ends at %d, want %d behind %d and not behind %d", epoch, end, before.epoch, before.last, b.base)
		}
	}
}

// check holds after every operation.
func (m *model) check(t *rapid.T) {
	if m.log.Start() != m.start || m.log.End() != m.end {
		t.Fatalf("log of %d to %d, want %d to %d", m.log.Start(), m.log.End(), m.start, m.end)
	}
	i := 0
	err := m.log.Scan(m.start, everything, func(b record.Batch) error {
		if i >= len(m.batches) || !bytes.Equal(b.Bytes(), m.batches[i].raw) {
			t.Fatalf("batch %d, at offset %d, is not what was appended", i, b.BaseOffset())
		}
		i++
		return nil
	})
	must2(t, err)
	if i != len(m.batches) {
		t.Fatalf("%d batches, want %d", i, len(m.batches))
	}
	if at, _, ok := m.log.ReadCheckpoint("fold", everything); ok && at > m.end {
		t.Fatalf("checkpoint at %d, the log ends at %d", at, m.end)
	}
}
