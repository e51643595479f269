package conflict

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// propertyOpsDefault random requests take a few seconds; LOCKSTEP_PROPERTY_OPS
// asks for more, LOCKSTEP_PROPERTY_SEED for one seed alone.
const propertyOpsDefault = 100_000

// TestEveryAnswerIsTheModels sends random batches to random partitions, whose
// windows are so small that every search goes through young, frozen and base,
// and which crash, restart, truncate, trim and lose their base in between. The
// model must give the same answer to each: the same offsets, the same refusal
// citing the same record. That is: no wrong admission, no false refusal.
func TestEveryAnswerIsTheModels(t *testing.T) {
	ops := propertyOpsDefault
	if raceEnabled {
		ops /= 25
	}
	ops = envInt("LOCKSTEP_PROPERTY_OPS", ops)
	if seed := envInt("LOCKSTEP_PROPERTY_SEED", 0); seed != 0 {
		newTrial(t, uint64(seed)).run(propertyOpsPerSeed)
		return
	}
	sum := map[string]int{}
	seed := uint64(0)
	for left := ops; left > 0 && !t.Failed(); left -= propertyOpsPerSeed {
		seed++
		tr := newTrial(t, seed)
		tr.run(min(left, propertyOpsPerSeed))
		for k, n := range tr.seen {
			sum[k] += n
		}
	}
	t.Log(sum)
	for _, path := range []string{
		"at", "at less", "repeat", "CONFLICT", "CONFLICT in batch", "UNKNOWN", "DUPLICATE", "DUPLICATE in batch", "MALFORMED",
		"HELD", "HELD id", "commit", "abort", "young", "frozen", "base", "crash", "restart", "truncate", "trim", "lose base", "lose all", "carried",
	} {
		if sum[path] == 0 && ops >= propertyOpsDefault {
			t.Errorf("%q never happened", path)
		}
	}
}

const propertyOpsPerSeed = 4000

func envInt(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// trial is one partition and its model, driven by one seed.
type trial struct {
	p     *partition
	m     *model
	rng   *rand.Rand
	seed  uint64
	log   []folded // what the model folds again after a loss
	sent  [][]row  // batches to be sent again
	names int
	next  int // of fresh lock-ids
	lag   int // how far the high watermark may stay behind, in offsets
	seen  map[string]int
}

type folded struct {
	rows    []row
	drop    map[int]bool
	base    int64
	carried bool

	producer int64 // of its transaction; -1: none
	marker   bool  // the batch is its end
	commit   bool
}

func newTrial(t *testing.T, seed uint64) *trial {
	rng := rand.New(rand.NewPCG(seed, 0x10c))
	budgets := []int64{2 << 10, 32 << 10, 512 << 10, 64 << 20}
	tr := &trial{
		p: newPartition(t, budgets[rng.IntN(len(budgets))]), m: newModel(0), rng: rng, seed: seed,
		names: []int{3, 40, 5000}[rng.IntN(3)], lag: []int{0, 1, 30}[rng.IntN(3)], seen: map[string]int{},
	}
	tr.p.ingestMin = []int{1, 50, ingestEntriesMin}[rng.IntN(3)]
	tr.p.close(false)
	tr.p.open()
	return tr
}

func (tr *trial) run(ops int) {
	defer func() { tr.p.close(false) }()
	for range ops {
		if tr.rng.IntN(400) == 0 {
			tr.disturb()
		}
		tr.request()
		if n := len(tr.m.open); n > 0 && tr.rng.IntN(5) == 0 {
			tr.end(tr.m.open[tr.rng.IntN(n)].producer, tr.rng.IntN(3) > 0)
		}
		if tr.rng.IntN(4) == 0 {
			tr.p.flush()
		}
		if tr.p.t.Failed() {
			return
		}
	}
	tr.compareTables()
}

// request sends one batch to both.
func (tr *trial) request() {
	batch, owner := tr.batch(), int64(-1)
	if tr.rng.IntN(6) == 0 { // more of one's own than of the others'
		owner = tr.rng.Int64N(4)
		batch = withoutAll(batch)
	}
	pol := Optional
	var want string
	var drop map[int]bool
	if tr.rng.IntN(8) == 0 { // the topic holds copies for a while
		pol = Carry
		tr.seen["carried"]++
	} else {
		want, drop = tr.m.judge(batch, int64(tr.p.stable()), owner)
	}
	base := int64(tr.p.end)
	tr.notePath(batch)
	got := tr.p.propose(tr.build(batch, owner), pol)
	if want == "" {
		want = atText(base, len(batch), drop)
	}
	head := stable(got)
	if head != want {
		tr.p.t.Fatalf("seed %d, end %d, high watermark %d, %s\nbatch %+v\n got %s\nwant %s",
			tr.seed, base, tr.p.hw, tr.window(), batch, got, want)
	}
	tr.count(want, drop)
	if strings.HasPrefix(want, "at ") {
		tr.take(folded{rows: batch, drop: drop, base: base, carried: pol == Carry, producer: owner})
		tr.sent = append(tr.sent, batch)
	}
	tr.p.hw = max(tr.p.hw, tr.p.end-protocol.Offset(tr.rng.IntN(tr.lag+1)))
}

// take has the model take in what is in the log.
func (tr *trial) take(f folded) {
	tr.log = append(tr.log, f)
	tr.m.take(f)
}

func (m *model) take(f folded) {
	switch {
	case f.marker:
		m.end(f.producer, f.commit)
	case f.producer < 0:
		m.fold(f.rows, f.drop, f.base, f.carried)
	case len(f.drop) == len(f.rows): // nothing is left
	default:
		t := m.transactionOf(f.producer)
		if t == nil {
			t = &modelTransaction{producer: f.producer}
			m.open = append(m.open, t)
		}
		t.batches = append(t.batches, f)
	}
}

// end decides a transaction, in both.
func (tr *trial) end(producer int64, commit bool) {
	tr.seen[map[bool]string{true: "commit", false: "abort"}[commit]]++
	base := int64(tr.p.end)
	tr.p.mark(protocol.ProducerID(producer), commit)
	tr.take(folded{base: base, producer: producer, marker: true, commit: commit})
	tr.p.hw = max(tr.p.hw, tr.p.end-protocol.Offset(tr.rng.IntN(tr.lag+1)))
}

// withoutAll is a batch that may be in a transaction.
func withoutAll(batch []row) []row {
	batch = slices.Clone(batch)
	for i := range batch {
		batch[i].items = slices.DeleteFunc(slices.Clone(batch[i].items), func(it item) bool { return it.name == "*" })
	}
	return batch
}

func (tr *trial) window() string {
	c := tr.p.locks
	return fmt.Sprintf("base has %s, window from %d, young from %d, history from %d", c.Applied(), c.windowStart(), c.young.start, c.historyStart())
}

// stable cuts an answer down to what does not depend on words for people.
func stable(answer string) string {
	head, _, _ := strings.Cut(answer, ": ")
	head, _, _ = strings.Cut(head, ", awaits")
	return head
}

func atText(base int64, n int, drop map[int]bool) string {
	text := fmt.Sprintf("at %d", base)
	if n > 1 {
		text += fmt.Sprintf("..%d", base+int64(n)-1)
	}
	if len(drop) > 0 {
		indexes := make([]int, 0, len(drop))
		for i := range drop {
			indexes = append(indexes, i)
		}
		slices.Sort(indexes)
		text += fmt.Sprintf(", less records %v", indexes)
	}
	return text
}

func (tr *trial) count(answer string, drop map[int]bool) {
	kind, _, _ := strings.Cut(answer, " ")
	tr.seen[kind]++
	if strings.Contains(answer, "last=? basis") && kind == "CONFLICT" || kind == "DUPLICATE" && strings.Contains(answer, "last=?") {
		tr.seen[kind+" in batch"]++
	}
	if strings.HasPrefix(answer, "HELD id=") {
		tr.seen["HELD id"]++
	}
	if kind == "at" && len(drop) > 0 {
		tr.seen["at less"]++
	}
}

// notePath counts where the searches for a batch's locks will end.
func (tr *trial) notePath(batch []row) {
	c := tr.p.locks
	for _, r := range batch {
		for _, it := range r.items {
			switch b := protocol.Offset(it.basis); {
			case c.young.start <= b+1:
				tr.seen["young"]++
			case c.windowStart() <= b+1:
				tr.seen["frozen"]++
			default:
				tr.seen["base"]++
			}
		}
	}
}

func (tr *trial) batch() []row {
	if len(tr.sent) > 0 && tr.rng.IntN(8) == 0 {
		return tr.again()
	}
	batch := make([]row, 1+tr.rng.IntN(1+tr.rng.IntN(6)))
	for i := range batch {
		batch[i] = tr.row()
		if i > 0 && tr.rng.IntN(3) == 0 {
			batch[i].id = batch[i-1].id
		}
		if i > 1 && tr.rng.IntN(8) == 0 { // an append twice in one batch
			batch[i] = batch[tr.rng.IntN(i)]
		}
	}
	return batch
}

// again is a batch of before, whole, mixed with others, or altered.
func (tr *trial) again() []row {
	batch := slices.Clone(tr.sent[tr.rng.IntN(len(tr.sent))])
	switch tr.rng.IntN(5) {
	case 0:
		batch = append(batch, tr.row())
	case 1:
		batch = append([]row{tr.row()}, batch...)
	case 2:
		batch[tr.rng.IntN(len(batch))].value += "'"
	case 3: // newer bases are no other content
		for i := range batch {
			batch[i].items = slices.Clone(batch[i].items)
			for j := range batch[i].items {
				batch[i].items[j].basis = tr.basis("")
			}
		}
	}
	return batch
}

func (tr *trial) row() row {
	r := row{value: strconv.Itoa(tr.rng.IntN(1000))}
	if tr.rng.IntN(3) == 0 {
		tr.next++
		r.id = fmt.Sprintf("id-%d-%d", tr.seed, tr.next)
	}
	for n := tr.rng.IntN(4); n > 0; n-- {
		name := "lock-" + strconv.Itoa(tr.rng.IntN(tr.names))
		if tr.rng.IntN(20) == 0 {
			name = "*"
		}
		kind := []string{protocol.HeaderLockWrite, protocol.HeaderLockWrite, protocol.HeaderLockRead, protocol.HeaderLockAppend}[tr.rng.IntN(4)]
		r.items = append(r.items, item{kind, name, tr.basis(name)})
	}
	slices.SortStableFunc(r.items, func(a, b item) int { return strings.Compare(a.kind, b.kind) })
	return r
}

// basis is mostly one that makes a difference.
func (tr *trial) basis(name string) int64 {
	hw := int64(tr.p.hw)
	last, known := tr.m.offset[name]
	switch n := tr.rng.IntN(24); {
	case n == 0:
		return hw + tr.rng.Int64N(3)
	case n < 3:
		return -1
	case n < 8 && known:
		return min(max(-1, last-1+tr.rng.Int64N(3)), hw-1)
	case n < 12:
		return max(-1, hw-1-tr.rng.Int64N(60))
	case n < 14:
		return tr.rng.Int64N(hw+1) - 1
	default:
		return hw - 1
	}
}

// build writes the rows as a client would, own bases on every item.
func (tr *trial) build(rows []row, owner int64) record.Batch {
	codec := record.CodecNone
	if tr.rng.IntN(20) == 0 {
		codec = record.CodecLz4
	}
	b := record.NewBuilder(codec)
	if owner >= 0 {
		b.Producer(protocol.ProducerID(owner), 0, 0).Transactional()
	}
	for _, r := range rows {
		b.Add(recordOfRow(r))
	}
	bytes, err := b.Build()
	tr.p.must(err)
	batch, _, err := record.View(bytes)
	tr.p.must(err)
	return batch
}

func recordOfRow(r row) record.Record {
	out := record.Record{Value: []byte(r.value)}
	if r.id != "" {
		out.Headers = append(out.Headers, record.Header{Key: protocol.HeaderLockID, Value: []byte(r.id)})
	}
	for i := 0; i < len(r.items); {
		kind := r.items[i].kind
		var list []byte
		for ; i < len(r.items) && r.items[i].kind == kind; i++ {
			it := r.items[i]
			list = protocol.AppendLockItem(list, protocol.LockItem{
				All: it.name == "*", Name: []byte(it.name), Own: true, Basis: protocol.Offset(it.basis),
			})
		}
		out.Headers = append(out.Headers, record.Header{Key: kind, Value: list})
	}
	return out
}

// disturb does something that must not change any answer, or, where it must,
// does it to the model as well.
func (tr *trial) disturb() {
	p := tr.p
	switch tr.rng.IntN(8) {
	case 0, 1:
		tr.seen["crash"]++
		p.hw = p.end // what is recovered is committed
		p.crash(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 30, 100}[tr.rng.IntN(3)], RNG: tr.rng})
		p.open()
	case 2:
		tr.seen["restart"]++
		p.hw = p.end
		p.close(true)
		p.open()
	case 3:
		tr.seen["truncate"]++
		tr.truncate()
	case 4:
		tr.seen["trim"]++
		p.hw = p.end
		to := p.start + protocol.Offset(tr.rng.Int64N(int64(p.end-p.start)+1))/4
		p.trim(tr.batchStart(min(to, p.stable())))
	case 5:
		p.checkpoint()
	case 6:
		tr.loseBase()
	case 7:
		p.must(p.base.Sync())
	}
	if tr.rng.IntN(4) == 0 {
		tr.compareTables()
	}
}

// batchStart is the start of the batch that holds an offset.
func (tr *trial) batchStart(o protocol.Offset) protocol.Offset {
	for _, b := range tr.p.log {
		if b.LastOffset() >= o {
			return b.BaseOffset()
		}
	}
	return tr.p.end
}

func (tr *trial) truncate() {
	p := tr.p
	// A follower's high watermark never splits a batch.
	p.hw = tr.batchStart(p.hw)
	if tr.rng.IntN(2) == 0 {
		p.checkpoint() // takes what is committed, and no more
	}
	p.truncate()
	for n := len(tr.log); n > 0 && tr.log[n-1].base >= int64(p.end); n-- {
		tr.log = tr.log[:n-1]
	}
	tr.remember(func(folded) bool { return true }, tr.m.history)
}

// loseBase leaves only what the log still has.
func (tr *trial) loseBase() {
	p := tr.p
	tr.seen["lose base"]++
	p.hw = p.end
	p.loseBase()
	p.open()
	if p.start > 0 {
		tr.seen["lose all"]++
	}
	tr.remember(func(f folded) bool { return f.base >= int64(p.start) }, int64(p.start))
}

// remember makes the model know only some batches.
func (tr *trial) remember(keep func(folded) bool, history int64) {
	tr.log = slices.DeleteFunc(tr.log, func(f folded) bool { return !keep(f) })
	tr.m = newModel(history)
	for _, f := range tr.log {
		tr.m.take(f)
	}
}

// compareTables compares all of the table with all of the model's.
func (tr *trial) compareTables() {
	n := 0
	tr.p.must(tr.p.locks.Dump(func(name []byte, last protocol.Offset, by []byte) {
		n++
		if want := tr.m.offset[string(name)]; want != int64(last) || tr.m.by[string(name)] != string(by) {
			tr.p.t.Errorf("seed %d: last(%s) is %d by %q, want %d by %q", tr.seed, name, last, by, want, tr.m.by[string(name)])
		}
	}))
	if n != len(tr.m.offset) {
		tr.p.t.Errorf("seed %d: the table has %d locks, want %d", tr.seed, n, len(tr.m.offset))
	}
	// A replay of the log holds what the table holds, too.
	if tr.p.start == 0 && tr.p.end < 3000 {
		replay := tr.p.replay()
		want, err := replay.Digest()
		tr.p.must(err)
		got, err := tr.p.locks.Digest()
		tr.p.must(err)
		if replay.Close(); got != want {
			tr.p.t.Errorf("seed %d: the table is not the replay of its log", tr.seed)
		}
	}
	if last, by, _ := tr.p.locks.LastRecord(); int64(last) != tr.m.newest || by != tr.m.newestBy {
		tr.p.t.Errorf("seed %d: newest record %d by %q, want %d by %q", tr.seed, last, by, tr.m.newest, tr.m.newestBy)
	}
}
