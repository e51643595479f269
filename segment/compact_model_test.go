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
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// kept is a record as a reader sees it.
type kept struct {
	offset     protocol.Offset
	key, value string
	tombstone  bool
	noKey      bool
	time       int64
	locks      []string // that it marks
	id         string
	unit       protocol.Offset // of the first record of its append
}

// batchHead is what producers are remembered by.
type batchHead struct {
	base, last protocol.Offset
	id         protocol.ProducerID
	sequence   protocol.Sequence
	verdicts   bool
	count      int32
}

// readAll is all records and all batches of a log.
func readAll(l *Log) (records []kept, heads []batchHead, err error) {
	err = l.Scan(l.Start(), everything, func(b record.Batch) error {
		recs, err := b.Open(record.Limits{})
		if err != nil {
			return err
		}
		defer recs.Release()
		heads = append(heads, batchHead{
			base: b.BaseOffset(), last: b.LastOffset(), id: b.ProducerID(), sequence: b.BaseSequence(),
			verdicts: recs.HaveLocks() || b.Count() != b.LastOffsetDelta()+1, count: b.Count(),
		})
		var q protocol.LockRequest
		for w := recs.Walk(); w.Next(); {
			o := b.BaseOffset() + protocol.Offset(w.OffsetDelta)
			k := kept{
				offset: o, key: string(w.Key), noKey: w.Key == nil, value: string(w.Value), tombstone: w.Value == nil,
				time: b.FirstTimestamp() + w.TimestampDelta, unit: o,
			}
			if readLocks(&q, &w, b.Carried()) {
				k.id = string(q.ID)
				for i := range q.Items {
					if marks(&q.Items[i]) {
						k.locks = append(k.locks, string(q.Items[i].Name))
					}
				}
				if n := len(records); k.id != "" && n > 0 && records[n-1].id == k.id && records[n-1].offset+1 == o && o > b.BaseOffset() {
					k.unit = records[n-1].unit
				}
			}
			records = append(records, k)
		}
		return nil
	})
	return records, heads, err
}

// compactionModel is a log of keyed records and what was ever written to it.
type compactionModel struct {
	fs        *vfs.MemFS
	log       *Log
	all       []kept
	heads     []batchHead
	end       protocol.Offset
	epoch     protocol.LeaderEpoch
	next      map[protocol.ProducerID]protocol.Sequence
	now       int64
	highWater protocol.Offset
	units     int
}

const (
	modelDeleteRetentionMs = 1000
	modelIDRetentionMs     = 5 * day
)

// The goal: whatever is written and whenever compaction comes by, the newest
// record of each key is there, tombstones hide what they deleted, every lock's
// last offset is what a fold over the whole history gives, appends with a
// lock-id are whole, retries find their sequences, and what may go is gone.
// Method: random histories and passes with small maps, held against all that
// was ever written; crashes in between.
func TestCompactionLeavesWhatReadersAndFoldsNeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &compactionModel{fs: vfs.NewCrashableMem(), next: map[protocol.ProducerID]protocol.Sequence{}, now: 1_700_000_000_000}
		must2(t, m.fs.MkdirAll("/", 0o755))
		m.reopen(t)
		t.Repeat(map[string]func(*rapid.T){
			"append":  m.append,
			"append2": m.append,
			"append3": m.append,
			"compact": m.compact,
			"crash":   m.crash,
			"later":   func(t *rapid.T) { m.now += rapid.Int64Range(1, 3*modelDeleteRetentionMs).Draw(t, "ms") },
			"":        m.check,
		})
		must2(t, m.log.Close())
	})
}

func (m *compactionModel) reopen(t *rapid.T) {
	l, err := Open(m.fs, "/log", Config{SegmentBytes: 1500, IndexIntervalBytes: 100})
	must2(t, err)
	m.log = l
}

func (m *compactionModel) crash(t *rapid.T) {
	old := m.log
	must2(t, old.Sync())
	m.fs = m.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))})
	m.reopen(t)
	_ = old.w.closeFiles()
	m.highWater = m.end
}

func (m *compactionModel) append(t *rapid.T) {
	codec := rapid.SampledFrom([]record.Codec{record.CodecNone, record.CodecNone, record.CodecLz4, record.CodecZstd}).Draw(t, "codec")
	b := record.NewBuilder(codec)
	if rapid.IntRange(0, 8).Draw(t, "new epoch") == 0 {
		m.epoch++
	}
	b.Place(m.end, m.epoch)
	pid := protocol.ProducerID(rapid.IntRange(-1, 2).Draw(t, "producer"))
	if pid >= 0 {
		b.Producer(pid, 0, m.next[pid])
	}
	carried := rapid.IntRange(0, 3).Draw(t, "carried") == 0
	n := rapid.IntRange(1, 5).Draw(t, "records")
	unitLeft, unitID := 0, ""
	for range n {
		r := record.Record{
			Timestamp: m.now + rapid.Int64Range(-5, 5).Draw(t, "time"),
			Key:       fmt.Appendf(nil, "k%d", rapid.IntRange(0, 12).Draw(t, "key")),
			Value:     bytes.Repeat([]byte{'v'}, rapid.IntRange(0, 60).Draw(t, "value")),
		}
		switch rapid.IntRange(0, 11).Draw(t, "kind") {
		case 0, 1, 2:
			r.Value = nil
		case 3:
			r.Key = nil
		}
		if unitLeft == 0 && rapid.IntRange(0, 5).Draw(t, "id") == 0 {
			m.units++
			unitLeft, unitID = rapid.IntRange(1, 3).Draw(t, "of the append"), fmt.Sprintf("id%d", m.units)
		}
		if unitLeft > 0 {
			unitLeft--
			r.Headers = append(r.Headers, record.Header{Key: "lock-id", Value: []byte(unitID)})
		}
		switch rapid.IntRange(0, 7).Draw(t, "locks") {
		case 0:
			r.Headers = append(r.Headers, record.Header{Key: "lock-append", Value: fmt.Appendf(nil, "L%d M%d", rapid.IntRange(0, 3).Draw(t, "lock"), rapid.IntRange(0, 3).Draw(t, "lock"))})
		case 1:
			r.Headers = append(r.Headers, record.Header{Key: "lock-write", Value: fmt.Appendf(nil, "L%d@none *@none", rapid.IntRange(0, 3).Draw(t, "lock"))})
		case 2:
			if carried { // no request at all: no basis, a header that is unknown, and one twice
				mark := fmt.Appendf(nil, "L%d", rapid.IntRange(0, 3).Draw(t, "lock"))
				r.Headers = append(r.Headers, record.Header{Key: "lock-write", Value: mark}, record.Header{Key: "lock-wirte"},
					record.Header{Key: "lock-write", Value: []byte("M0")})
			}
		}
		b.Add(r)
	}
	raw, err := b.Build()
	must2(t, err)
	view, _, err := record.View(raw)
	must2(t, err)
	if carried {
		view.MarkCarried()
	}
	must2(t, m.log.Append(m.now, view))
	if pid >= 0 {
		m.next[pid] += protocol.Sequence(n)
	}
	m.noteAppended(t, m.end)
	m.end = view.NextOffset()
	if rapid.Bool().Draw(t, "committed") {
		m.highWater = m.end
	}
}

// noteAppended takes what is behind the offset into the history.
func (m *compactionModel) noteAppended(t *rapid.T, from protocol.Offset) {
	records, heads, err := readAll(m.log)
	must2(t, err)
	for _, k := range records {
		if k.offset >= from {
			m.all = append(m.all, k)
		}
	}
	for _, h := range heads {
		if h.base >= from {
			m.heads = append(m.heads, h)
		}
	}
}

// compactWhole runs a pass; it says whether it went as far as it could.
func compactWhole(l *Log, o CompactOptions) (*Compaction, error) {
	c, err := l.Compact(o)
	if err != nil || c == nil {
		return c, err
	}
	for {
		more, err := c.Next(context.Background())
		if err != nil || !more {
			return c, errors.Join(err, c.Close())
		}
		if err := l.Adopt(c); err != nil {
			return c, errors.Join(err, c.Close())
		}
	}
}

func (m *compactionModel) compact(t *rapid.T) {
	must2(t, m.log.Sync())
	o := CompactOptions{
		Below: m.highWater, NowMs: m.now, DeleteRetentionMs: modelDeleteRetentionMs, LockIDRetentionMs: protocol.LimitOf(modelIDRetentionMs),
		MapBytes: 64 << 10, Producers: map[protocol.ProducerID]struct{}{0: {}, 1: {}, 2: {}},
	}
	// The files are as old as this test: ids are forgotten when the clock says so.
	idsForgotten := rapid.Bool().Draw(t, "ids forgotten")
	if idsForgotten {
		o.LockIDRetentionMs = protocol.LimitOf(1)
		for i := range m.log.w.state.sealed {
			m.log.w.state.sealed[i].writtenMs = 0
		}
	}
	small := rapid.IntRange(0, 3).Draw(t, "small map") == 0
	if small {
		o.MapBytes = rapid.Int64Range(0, 600).Draw(t, "map bytes")
	}
	c, err := m.log.Compact(o)
	must2(t, err)
	if c == nil {
		return
	}
	for {
		more, err := c.Next(context.Background())
		must2(t, err)
		if !more {
			break
		}
		if rapid.IntRange(0, 9).Draw(t, "interrupted") == 0 {
			break
		}
		must2(t, m.log.Adopt(c))
	}
	must2(t, c.Close())
	if !small && idsForgotten {
		m.checkGone(t, c)
	}
}

// checkGone proves that a pass that was not interrupted left no record below
// its end without a reason.
func (m *compactionModel) checkGone(t *rapid.T, c *Compaction) {
	if c.next < c.bound || m.log.snap.Load().compacted < c.until {
		return
	}
	records, heads, err := readAll(m.log)
	must2(t, err)
	newest := map[string]protocol.Offset{}
	marked := map[string]protocol.Offset{}
	for _, k := range m.all {
		if k.offset >= m.highWater || k.offset >= c.until {
			continue
		}
		newest[k.key] = k.offset
		for _, l := range k.locks {
			marked[l] = k.offset
		}
	}
	verdicts := m.recentBatches(m.heads)
	last := m.lastData(m.highWater)
	units := map[protocol.Offset]bool{}
	reason := func(k kept) bool {
		held := !k.noKey && newest[k.key] == k.offset || k.offset == last
		for _, l := range k.locks {
			held = held || marked[l] == k.offset
		}
		for _, h := range heads {
			held = held || k.offset >= h.base && k.offset <= h.last && h.verdicts && verdicts[h.base]
		}
		return held
	}
	for _, k := range records {
		units[k.unit] = units[k.unit] || reason(k)
	}
	s := m.log.snap.Load()
	for _, k := range records {
		if s.extent(s.find(k.offset)).held && c.from > 0 {
			continue // the next survey begins here, and will see what this one did not
		}
		if k.offset < c.until && !units[k.unit] {
			t.Fatalf("record %+v stayed without a reason; compacted up to %d", k, c.until)
		}
	}
}

// recentBatches is the bases of the newest five batches of each producer below
// the high watermark.
func (m *compactionModel) recentBatches(heads []batchHead) map[protocol.Offset]bool {
	out := map[protocol.Offset]bool{}
	for id := range protocol.ProducerID(3) {
		var bases []protocol.Offset
		for _, h := range heads {
			if h.id == id && h.last < m.highWater {
				bases = append(bases, h.base)
			}
		}
		for _, b := range bases[max(0, len(bases)-5):] {
			out[b] = true
		}
	}
	return out
}

func (m *compactionModel) lastData(below protocol.Offset) protocol.Offset {
	last := protocol.None
	for _, k := range m.all {
		if k.offset < below {
			last = k.offset
		}
	}
	return last
}

// check holds after every operation.
func (m *compactionModel) check(t *rapid.T) {
	records, heads, err := readAll(m.log)
	must2(t, err)
	if m.log.End() != m.end {
		t.Fatalf("the log ends at %d, should at %d", m.log.End(), m.end)
	}
	wrote := map[protocol.Offset]kept{}
	for _, k := range m.all {
		wrote[k.offset] = k
	}
	have := map[protocol.Offset]bool{}
	for _, k := range records {
		was := wrote[k.offset]
		k.unit, was.unit = 0, 0
		if fmt.Sprint(k) != fmt.Sprint(was) {
			t.Fatalf("read %+v, written was %+v", k, was)
		}
		have[k.offset] = true
	}
	m.checkKeys(t, have)
	m.checkLocks(t, records, have)
	m.checkProducers(t, heads)
	m.checkReads(t, heads)
}

func (m *compactionModel) checkKeys(t *rapid.T, have map[protocol.Offset]bool) {
	newest := map[string]kept{}
	for _, k := range m.all {
		if !k.noKey {
			newest[k.key] = k
		}
	}
	for key, k := range newest {
		if have[k.offset] {
			continue
		}
		if !k.tombstone || m.now < k.time-5+modelDeleteRetentionMs {
			t.Fatalf("the newest record of %s, %+v, is gone", key, k)
		}
		for _, old := range m.all {
			if old.key == key && !old.noKey && have[old.offset] {
				t.Fatalf("%s was deleted at offset %d, which is gone, and is back at %d", key, k.offset, old.offset)
			}
		}
	}
}

func (m *compactionModel) checkLocks(t *rapid.T, records []kept, have map[protocol.Offset]bool) {
	fold := func(records []kept) (map[string]protocol.Offset, protocol.Offset) {
		last, all := map[string]protocol.Offset{}, protocol.None
		for _, k := range records {
			all = k.offset
			for _, l := range k.locks {
				last[l] = k.offset
			}
		}
		return last, all
	}
	want, wantAll := fold(m.all)
	got, gotAll := fold(records)
	if fmt.Sprint(want) != fmt.Sprint(got) || wantAll != gotAll {
		t.Fatalf("locks are %v and %d, a fold over everything gives %v and %d", got, gotAll, want, wantAll)
	}
	whole := map[protocol.Offset]int{}
	for _, k := range m.all {
		if k.id == "" {
			continue
		}
		if have[k.offset] {
			whole[k.unit] |= 1
		} else {
			whole[k.unit] |= 2
		}
	}
	for unit, seen := range whole {
		if seen == 3 {
			t.Fatalf("of the append at offset %d a part is gone", unit)
		}
	}
}

func (m *compactionModel) checkProducers(t *rapid.T, heads []batchHead) {
	recent := m.recentBatches(m.heads)
	for _, was := range m.heads {
		if !recent[was.base] && was.last < m.highWater {
			continue
		}
		i := slices.IndexFunc(heads, func(h batchHead) bool { return h.base == was.base })
		if was.id < 0 {
			continue
		}
		if i < 0 || heads[i].last != was.last || heads[i].sequence != was.sequence {
			t.Fatalf("batch %+v of a producer's newest five is gone or changed", was)
		}
		if was.verdicts && heads[i].count != was.count {
			t.Fatalf("batch %+v holds verdicts and lost records", was)
		}
	}
}

// checkReads proves that a reader at any offset gets the next batch there is.
func (m *compactionModel) checkReads(t *rapid.T, heads []batchHead) {
	for o := m.log.Start(); o < m.end; o++ {
		i := slices.IndexFunc(heads, func(h batchHead) bool { return h.last >= o })
		r, err := m.log.Read(o, everything, 1, true)
		must2(t, err)
		if r.Len() == 0 || r.NextOffset() != heads[i].last+1 {
			t.Fatalf("read at %d: %d bytes, next %d, want the batch at %d", o, r.Len(), r.NextOffset(), heads[i].base)
		}
		must2(t, r.Verify())
		r.Close()
	}
}
