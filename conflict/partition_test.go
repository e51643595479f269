package conflict

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// partition is what a broker's partition does with a LockTable, on one
// goroutine and with its log in memory: judge, append, commit, flush, and open
// again after this or that was lost.
type partition struct {
	t       testing.TB
	fs      *vfs.MemFS
	base    *Base
	budget  *Budget
	locks   *LockTable
	log     []record.Batch
	start   protocol.Offset // log start
	end     protocol.Offset
	hw      protocol.Offset
	nowMs   int64
	options Options

	undecided []span // by their first offsets

	ingestMin int // of the Base; 0: its default
	turn      int // of admit
}

var testPartition = protocol.TopicPartition{Topic: protocol.TopicID{1}, Index: 7}

func newPartition(t testing.TB, budget int64) *partition {
	p := &partition{t: t, fs: vfs.NewCrashableMem(), budget: NewBudget(budget), nowMs: 1_000_000}
	p.open()
	return p
}

// span is a transaction: its first record, and its marker, or None.
type span struct {
	producer      protocol.ProducerID
	first, marker protocol.Offset
}

// stable is the last stable offset.
func (p *partition) stable() protocol.Offset {
	for len(p.undecided) > 0 && p.undecided[0].marker != protocol.None && p.undecided[0].marker < p.hw {
		p.undecided = p.undecided[1:]
	}
	if len(p.undecided) > 0 {
		return min(p.hw, p.undecided[0].first)
	}
	return p.hw
}

// noteTransaction takes in a batch of the log.
func (p *partition) noteTransaction(b record.Batch) {
	i := slices.IndexFunc(p.undecided, func(s span) bool { return s.producer == b.ProducerID() && s.marker == protocol.None })
	switch {
	case b.Control() && i >= 0:
		p.undecided[i].marker = b.BaseOffset()
	case b.Transactional() && !b.Control() && i < 0:
		p.undecided = append(p.undecided, span{b.ProducerID(), b.BaseOffset(), protocol.None})
	}
}

// end writes a marker.
func (p *partition) mark(id protocol.ProducerID, commit bool) string {
	b := record.Marker{Commit: commit}.Batch(id, 0, p.nowMs)
	at := p.append(b)
	foldBatch(p.t, p.locks, b)
	return at
}

// open opens Base and table, and folds the log.
func (p *partition) open() {
	base, err := OpenBase(p.fs, "base")
	p.must(err)
	p.base = base
	if p.ingestMin > 0 {
		base.ingestMin = p.ingestMin
	}
	o := p.options
	o.Budget, o.LogStart, o.LogEnd = p.budget, p.start, p.end
	o.Base, err = base.Partition(testPartition)
	p.must(err)
	p.locks, err = Open(o)
	p.must(err)
	p.fold()
}

// fold folds the log from where the table stands.
func (p *partition) fold() {
	for _, b := range p.log {
		if b.LastOffset() <= p.locks.End() {
			continue
		}
		foldBatch(p.t, p.locks, b)
		p.flush()
	}
}

func foldBatch(t testing.TB, c *LockTable, b record.Batch) {
	if !NeedsRecords(b) {
		c.Fold(b, nil)
		return
	}
	recs, err := b.Open(record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c.Fold(b, &recs)
	recs.Release()
}

// close closes the Base, with or without the checkpoint of a clean end.
func (p *partition) close(clean bool) {
	if clean {
		p.checkpoint()
	}
	p.locks.Close()
	if used := p.budget.Used(); used != 0 {
		p.t.Errorf("a closed table holds %d bytes of the budget", used)
	}
	p.must(p.base.Close())
}

// crash loses what the Base has not synced, or that much of it.
func (p *partition) crash(cfg vfs.CrashCloneCfg) {
	fs := p.fs.CrashClone(cfg)
	p.close(false)
	p.fs = fs
}

func (p *partition) loseBase() {
	p.close(false)
	p.fs = vfs.NewCrashableMem()
}

func (p *partition) checkpoint() {
	stable := p.stable()
	for work := p.locks.Checkpoint(stable, p.nowMs); work != nil; work = p.locks.Checkpoint(stable, p.nowMs) {
		p.locks.Flushed(work())
	}
}

func (p *partition) flush() {
	if work := p.locks.Flush(p.stable(), p.nowMs); work != nil {
		p.locks.Flushed(work())
	}
}

// trim drops whole batches from the head of the log.
func (p *partition) trim(to protocol.Offset) {
	p.checkpoint()
	if work := p.locks.Advance(p.stable(), p.hw, p.nowMs); work != nil {
		p.locks.Flushed(work())
	}
	p.must(p.base.Sync())
	for len(p.log) > 0 && p.log[0].LastOffset() < to {
		p.log = p.log[1:]
	}
	p.start = to
}

// truncate cuts the tail off down to the high watermark, as a follower does.
func (p *partition) truncate() {
	for len(p.log) > 0 && p.log[len(p.log)-1].LastOffset() >= p.hw {
		p.log = p.log[:len(p.log)-1]
	}
	p.end, p.undecided = p.hw, nil
	for _, b := range p.log {
		p.noteTransaction(b)
	}
	p.locks.Reset()
	p.fold()
}

func (p *partition) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// propose appends a client's batch if it is admitted, as a leader does.
func (p *partition) propose(b record.Batch, pol Policy) (outcome string) {
	recs, err := b.Open(record.Limits{})
	p.must(err)
	r, refusal := Prepare(b, &recs, pol)
	if pol == Carry && recs.HaveLocks() {
		b.MarkCarried()
	}
	recs.Release()
	defer r.Release()
	switch {
	case refusal != nil:
		return p.refuse(nil, refusal, protocol.None)
	case r == nil:
		at := p.append(b)
		p.locks.Observe(b)
		return at
	case r.Carried():
		at := p.append(b)
		p.locks.Mark(r, b.BaseOffset(), Verdict{})
		return at
	}
	before := p.digest()
	v := p.locks.Judge(r, p.stable())
	if after := p.digest(); before != after {
		p.t.Fatalf("Judge changed the table")
	}
	if p.admit(r, &v, before) {
		return p.append(b)
	}
	v = p.locks.Judge(r, p.stable()) // Admit has used the request's scratch
	switch {
	case v.Err != nil:
		return "error: " + v.Err.Error()
	case v.Refusal != nil:
		return p.refuse(r, v.Refusal, v.Await)
	case v.Duplicate:
		return fmt.Sprintf("repeat of %d, awaits %s", v.FirstOffset, v.Await)
	}
	dropped := ""
	if v.Drop != nil {
		dropped = fmt.Sprintf(", less records %v", indexesOf(v.Drop))
		b, err = b.Keep(v.Keeps, record.Limits{})
		p.must(err)
	}
	base := p.end
	at := p.append(b)
	p.locks.Mark(r, base, v)
	return at + dropped
}

// admit takes the short way, every other time, and holds it to the verdict of
// the long one: what it admits is admitted whole, and otherwise it leaves no
// trace.
func (p *partition) admit(r *Request, v *Verdict, before [16]byte) bool {
	if p.turn++; p.turn%2 == 0 {
		return false
	}
	admitted := p.locks.Admit(r, p.end, p.stable())
	if admitted && (!v.Admitted() || v.Drop != nil) {
		p.t.Fatalf("Admit admits what Judge does not: %+v", v)
	}
	if !admitted && before != p.digest() {
		p.t.Fatalf("Admit changed the table and did not admit")
	}
	return admitted
}

// digest is checked around Judge where a partition is small enough.
func (p *partition) digest() (d [16]byte) {
	if p.end > 64 {
		return d
	}
	d, err := p.locks.Digest()
	p.must(err)
	return d
}

func indexesOf(drop []bool) (indexes []int) {
	for i, dropped := range drop {
		if dropped {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

func (p *partition) refuse(r *Request, refusal *protocol.Refusal, await protocol.Offset) string {
	p.locks.Refuse(r, refusal, p.nowMs)
	text := refusal.Message()
	if await != protocol.None {
		text += fmt.Sprintf("\n  awaits %d", await)
	}
	return text
}

// append places a batch at the end of the log.
func (p *partition) append(b record.Batch) string {
	b.Place(p.end, 0)
	p.log = append(p.log, b)
	p.noteTransaction(b)
	p.end = b.NextOffset()
	if b.LastOffset() == b.BaseOffset() {
		return fmt.Sprintf("at %d", b.BaseOffset())
	}
	return fmt.Sprintf("at %d..%d", b.BaseOffset(), b.LastOffset())
}

// table is the dump in words.
func (p *partition) table() string { return dumpOf(p.t, p.locks) }

func dumpOf(t testing.TB, c *LockTable) string {
	var b strings.Builder
	err := c.Dump(func(name []byte, last protocol.Offset, by []byte) {
		fmt.Fprintf(&b, "%s=%d", name, last)
		if len(by) > 0 {
			fmt.Fprintf(&b, " by %s", by)
		}
		b.WriteByte('\n')
	})
	if err != nil {
		t.Fatal(err)
	}
	last, by, known := c.LastRecord()
	if known {
		fmt.Fprintf(&b, "newest record %d", last)
		if by != "" {
			fmt.Fprintf(&b, " by %s", by)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// replay is the table folded from the whole log in memory.
func (p *partition) replay() *LockTable {
	c, err := Open(Options{LogStart: p.start, LogEnd: p.end})
	p.must(err)
	for _, b := range p.log {
		foldBatch(p.t, c, b)
	}
	return c
}
