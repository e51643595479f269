package conflict

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// liveLocks is how many locks a benchmark's table holds.
const liveLocks = 1_000_000

func lockName(dst []byte, n uint32) []byte {
	return fmt.Appendf(dst, "account:%016d", n)
}

// live is a table with so many locks, all in memory.
func live(b testing.TB, n int) *LockTable {
	c, err := Open(Options{Budget: NewBudget(1 << 40)})
	if err != nil {
		b.Fatal(err)
	}
	names, all := make([][]byte, n), make([]byte, 0, 24*n)
	for i := range names {
		start := len(all)
		all = lockName(all, uint32(i))
		names[i] = all[start:len(all):len(all)]
	}
	for i := 0; i < n; i += 1000 {
		r := requestOf(names[i:min(i+1000, n)], protocol.None)
		c.Mark(r, c.End()+1, Verdict{})
		r.Release()
	}
	return c
}

// requestOf is what Prepare makes of records with one lock-write each, without
// the parsing.
func requestOf(names [][]byte, basis protocol.Offset) *Request {
	r := requests.Get().(*Request)
	fill(r, names, basis)
	return r
}

// ofNobody is a batch as its header alone is looked at.
var ofNobody = func() record.Batch {
	raw, err := record.NewBuilder(record.CodecNone).Add(record.Record{}).Build()
	if err != nil {
		panic(err)
	}
	b, _, err := record.View(raw)
	if err != nil {
		panic(err)
	}
	return b
}()

func fill(r *Request, names [][]byte, basis protocol.Offset) {
	r.reset(ofNobody)
	for i, name := range names {
		r.appends = append(r.appends, lockAppend{first: int32(i), last: int32(i), id: -1})
		r.records = append(r.records, lockRecord{index: int32(i), append: int32(i), locks: int32(i), maxBasis: basis})
		r.addLock(&protocol.LockItem{Kind: protocol.LockWrite, Raw: name, Name: name, Basis: basis}, int32(i))
	}
	r.lastOf, r.maxBasis = int32(len(names)-1), basis
	r.linkIDs()
}

// BenchmarkCheck1M is the cost of a lock: hashed, checked and marked, of a
// random one of a million that are live, in batches of so many.
func BenchmarkCheck1M(b *testing.B) {
	c := live(b, liveLocks)
	for _, size := range []int{1, 2, 8, 64, 1000} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) { benchmarkCheck(b, c, size) })
	}
	b.Run("bytes", func(b *testing.B) { // of memory a lock
		for b.Loop() {
		}
		b.ReportMetric(float64(c.young.bytes())/liveLocks, "bytes/lock")
		b.ReportMetric(0, "ns/op")
	})
}

func benchmarkCheck(b *testing.B, c *LockTable, size int) {
	// The names lie in the order in which they are asked for, as they do in a
	// request that was just read. A batch names no lock twice: that is a conflict.
	const asked = 1 << 18
	rng := rand.New(rand.NewPCG(1, 2))
	order, all := make([][]byte, asked), make([]byte, 0, 32*asked)
	for i := range order {
		start := len(all)
		all = lockName(all, uint32(rng.IntN(liveLocks/size)*size+i%size))
		order[i] = all[start:len(all):len(all)]
	}
	r := new(Request)
	fill(r, order[:size], 0)
	b.ReportAllocs()
	cpu := cpuTime(b)
	at := 0
	for b.Loop() {
		if at+size > asked {
			at = 0
		}
		end := c.End() + 1
		fill(r, order[at:at+size], end-1)
		if !c.Admit(r, end, end) {
			b.Fatal("not admitted")
		}
		at += size
	}
	perLock(b, cpu, size)
}

// BenchmarkCheckGroup is BenchmarkCheck1M for 64 requests of one lock each, as a
// partition's loop finds them in its mailbox: it touches all before it judges.
func BenchmarkCheckGroup(b *testing.B) {
	c := live(b, liveLocks)
	rng := rand.New(rand.NewPCG(1, 2))
	const group = 64
	names := make([][]byte, 1<<16)
	for i := range names {
		names[i] = lockName(nil, uint32(rng.IntN(liveLocks)))
	}
	var rs [group]Request
	b.ReportAllocs()
	cpu := cpuTime(b)
	for at := 0; b.Loop(); at = (at + group) % len(names) {
		for i := range rs {
			fill(&rs[i], names[at+i:at+i+1], c.End()+group)
		}
		for i := range rs {
			c.Prefetch(&rs[i])
		}
		for i := range rs {
			end := c.End() + 1
			if !c.Admit(&rs[i], end, end+group) {
				b.Fatal("not admitted")
			}
		}
	}
	perLock(b, cpu, group)
}

// BenchmarkCheckFloor is what the memory allows: one flat table of the same
// load, which never grows; names hashed, read ahead, and marked, 64 at a time.
func BenchmarkCheckFloor(b *testing.B) {
	const group = 64
	slots := make([]slot, 1<<21)
	mask := uint64(len(slots) - 1)
	var name []byte
	for i := range uint32(liveLocks) {
		name = lockName(name[:0], i)
		h := hashOf(name)
		*probe(slots, h) = slot{h, 1}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	names := make([][]byte, 1<<16)
	for i := range names {
		names[i] = lockName(nil, uint32(rng.IntN(liveLocks)))
	}
	var hashes [group]hash
	sum := uint64(0)
	cpu := cpuTime(b)
	for at := 0; b.Loop(); at = (at + group) % len(names) {
		for i := range hashes {
			hashes[i] = hashOf(names[at+i])
		}
		for i := range hashes {
			sum += slots[hashes[i].lo&mask].value
		}
		for i := range hashes {
			probe(slots, hashes[i]).value++
		}
	}
	perLock(b, cpu, group)
	runtime.KeepAlive(sum)
}

// perLock reports both clocks: on a shared machine the processor's own drifts
// least.
func perLock(b *testing.B, cpu time.Duration, locks int) {
	n := float64(b.N * locks)
	b.ReportMetric(float64(cpuTime(b)-cpu)/n, "cpu-ns/lock")
	b.ReportMetric(float64(b.Elapsed())/n, "ns/lock")
}

func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAppend is all that a batch's lock headers cost: parsed, hashed,
// judged and marked; a record has so many locks of a million.
func BenchmarkAppend(b *testing.B) {
	c := live(b, liveLocks)
	for _, records := range []int{1, 100} {
		for _, locks := range []int{1, 2, 8} {
			for _, id := range []string{"", "id"} {
				b.Run(fmt.Sprintf("records=%d/locks=%d%s", records, locks, id), func(b *testing.B) {
					benchmarkAppend(b, c, records, locks, id != "")
				})
			}
		}
	}
}

func benchmarkAppend(b *testing.B, c *LockTable, records, locks int, id bool) {
	batch := clientBatch(b, records, locks, id)
	recs, err := batch.Open(record.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	cpu := cpuTime(b)
	for b.Loop() {
		if id { // a fresh one each time, in the bytes where it stands
			renewals++
			renew(recs, renewals)
		}
		r, refusal := Prepare(batch, &recs, Optional)
		if refusal != nil {
			b.Fatal(refusal)
		}
		end := c.End() + 1
		if !c.Admit(r, end, 1<<40) {
			b.Fatal("not admitted")
		}
		r.Release()
	}
	perLock(b, cpu, records*locks)
}

// clientBatch has a basis that is never too old.
func clientBatch(b testing.TB, records, locks int, id bool) record.Batch {
	rng := rand.New(rand.NewPCG(3, 4))
	build := record.NewBuilder(record.CodecNone)
	for i := range records {
		var list []byte
		for j := range locks {
			if j > 0 {
				list = append(list, ' ')
			}
			list = lockName(list, uint32((i*locks+j)*(liveLocks/(records*locks))+rng.IntN(liveLocks/(records*locks))))
		}
		headers := []record.Header{
			{Key: protocol.HeaderLockWrite, Value: list},
			{Key: protocol.HeaderLockBasis, Value: []byte("1000000000000")},
		}
		if id {
			headers = append(headers, record.Header{Key: protocol.HeaderLockID, Value: []byte("0123456789abcdef")})
		}
		build.Add(record.Record{Key: []byte("key"), Value: make([]byte, 100), Headers: headers})
	}
	bytes, err := build.Build()
	if err != nil {
		b.Fatal(err)
	}
	batch, _, err := record.View(bytes)
	if err != nil {
		b.Fatal(err)
	}
	return batch
}

var renewals uint64

// renew writes fresh lock-ids over the old ones.
func renew(recs record.Records, n uint64) {
	for w := recs.Walk(); w.Next(); {
		for headers := w.Headers(); ; {
			key, value, ok := headers.Next()
			if !ok {
				break
			}
			if string(key) == protocol.HeaderLockID {
				var raw [8]byte
				binary.BigEndian.PutUint64(raw[:], n<<20|uint64(w.Index))
				for i, x := range raw {
					value[2*i], value[2*i+1] = "0123456789abcdef"[x>>4], "0123456789abcdef"[x&15]
				}
			}
		}
	}
}

// BenchmarkFold is the cost of a lock when a log is folded again.
func BenchmarkFold(b *testing.B) {
	batch := clientBatch(b, 100, 2, false)
	recs, err := batch.Open(record.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	c := live(b, liveLocks)
	b.ReportAllocs()
	cpu := cpuTime(b)
	for b.Loop() {
		batch.Place(c.End()+1, 0)
		c.Fold(batch, &recs)
	}
	perLock(b, cpu, 200)
}

// BenchmarkFlush is the cost of a lock when its generation is written to the
// Base, with what Pebble does beside it.
func BenchmarkFlush(b *testing.B) {
	const n = 200_000
	p := newPartition(b, 1<<40)
	defer p.close(false)
	names := make([][]byte, n)
	cpu := cpuTime(b)
	for b.Loop() {
		for i := range names {
			names[i] = lockName(names[i][:0], rand.Uint32N(5_000_000))
		}
		for i := 0; i < n; i += 1000 {
			r := requestOf(names[i:i+1000], protocol.None)
			p.locks.Mark(r, p.locks.End()+1, Verdict{})
			r.Release()
		}
		p.hw = p.locks.End() + 1
		p.checkpoint()
	}
	perLock(b, cpu, n)
}

// TestJudgingAllocatesNothing holds the hot path to it, in the steady state.
func TestJudgingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	c := live(t, 10_000)
	batch := clientBatch(t, 100, 2, false)
	recs, err := batch.Open(record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	once := func() {
		r, refusal := Prepare(batch, &recs, Optional)
		if refusal != nil {
			t.Fatal(refusal)
		}
		v := c.Judge(r, 1<<40)
		if !v.Admitted() {
			t.Fatal(v.Refusal)
		}
		c.Mark(r, c.End()+1, v)
		r.Release()
	}
	once()
	if n := testing.AllocsPerRun(200, once); n >= 1 {
		t.Errorf("%v allocations a batch, want none", n)
	}
}

// TestAnIdlePartitionCostsNearlyNothing opens a thousand tables over one Base.
func TestAnIdlePartitionCostsNearlyNothing(t *testing.T) {
	const partitions, bytesMax = 1000, 2048
	p := newPartition(t, 1<<20)
	defer p.close(false)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tables := make([]*LockTable, partitions)
	for i := range tables {
		part, err := p.base.Partition(protocol.TopicPartition{Index: int32(i)})
		p.must(err)
		tables[i], err = Open(Options{Base: part, Budget: p.budget})
		p.must(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / partitions; each > bytesMax {
		t.Errorf("an idle partition takes %d bytes, want at most %d", each, bytesMax)
	} else {
		t.Logf("an idle partition takes %d bytes", each)
	}
	if used := p.budget.Used(); used != 0 {
		t.Errorf("idle partitions use %d bytes of the budget", used)
	}
	runtime.KeepAlive(tables)
}
