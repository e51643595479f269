package conflict

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestPolicyIsReadAsItIsWritten and nothing else is.
func TestPolicyIsReadAsItIsWritten(t *testing.T) {
	for _, p := range []Policy{Optional, Required, Off} {
		if got, err := ParsePolicy(p.String()); err != nil || got != p {
			t.Errorf("ParsePolicy(%q) = %v, %v", p, got, err)
		}
	}
	for _, text := range []string{"", "Optional", "on", "Policy(3)"} {
		if _, err := ParsePolicy(text); err == nil {
			t.Errorf("ParsePolicy(%q) does not fail", text)
		}
	}
}

// TestABatchHasABoundOfLocks sends one more than a Request may hold.
func TestABatchHasABoundOfLocks(t *testing.T) {
	list := strings.TrimSpace(strings.Repeat("x ", protocol.LocksPerRecordMax))
	b := record.NewBuilder(record.CodecZstd)
	for range locksPerBatchMax/protocol.LocksPerRecordMax + 1 {
		b.Add(record.Record{Headers: []record.Header{{Key: protocol.HeaderLockAppend, Value: []byte(list)}}})
	}
	bytes, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	r, refusal := prepareBytes(t, bytes)
	if r != nil || refusal == nil || refusal.Message() != "MALFORMED record=256: more than 262144 locks in one batch" {
		t.Errorf("the answer is %v", refusal)
	}
}

func prepareBytes(t testing.TB, bytes []byte) (*Request, *protocol.Refusal) {
	batch, _, err := record.View(bytes)
	if err != nil {
		t.Fatal(err)
	}
	recs, err := batch.Open(record.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer recs.Release()
	return Prepare(batch, &recs, Optional)
}

// FuzzPrepare reads two records with any headers. What is admitted is judged,
// marked, and folded to the same table.
func FuzzPrepare(f *testing.F) {
	f.Add("lock-write", "a b", "lock-basis", "none", "lock-id", "x")
	f.Add("lock-read", "*", "lock-basis", "0", "lock-append", "a")
	f.Add("lock-append", "%41 A %2A *", "lock-id", "1", "trace", "")
	f.Add("lock-write", "a@none", "lock-wirte", "a", "lock-id", "")
	f.Add("", "", "lock-id", "twice", "lock-append", "x y z")
	f.Fuzz(func(t *testing.T, k1, v1, k2, v2, k3, v3 string) {
		h := func(k, v string) record.Header { return record.Header{Key: k, Value: []byte(v)} }
		bytes, err := record.NewBuilder(record.CodecNone).
			Add(record.Record{Value: []byte(v3), Headers: []record.Header{h(k1, v1), h(k2, v2)}}).
			Add(record.Record{Value: []byte(v1), Headers: []record.Header{h(k2, v2), h(k3, v3)}}).Build()
		if err != nil {
			t.Fatal(err)
		}
		r, refusal := prepareBytes(t, bytes)
		if r == nil {
			if refusal != nil && refusal.Kind != protocol.RefusalMalformed {
				t.Errorf("refused with %v", refusal)
			}
			return
		}
		defer r.Release()
		foldsTheSame(t, r, bytes)
	})
}

// foldsTheSame marks an admitted request in one table, folds its bytes into
// another, and compares them.
func foldsTheSame(t *testing.T, r *Request, bytes []byte) {
	led, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := led.Judge(r, 0)
	if !v.Admitted() {
		return
	}
	batch, _, err := record.View(bytes)
	if err != nil {
		t.Fatal(err)
	}
	if v.Drop != nil {
		if batch, err = batch.Keep(v.Keeps, record.Limits{}); err != nil {
			t.Fatal(err)
		}
	}
	led.Mark(r, 0, v)
	followed, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	foldBatch(t, followed, batch)
	if got, want := dumpOf(t, led), dumpOf(t, followed); got != want {
		t.Errorf("marked\n%s\nfolded\n%s", got, want)
	}
	if v := followed.Repeats(r); len(r.ids) == len(r.appends) && r.plain == 0 && !v.Duplicate {
		t.Errorf("the follower does not know the append again: %+v", v)
	}
}

// TestHistoryKeepsTheLatest and counts all.
func TestHistoryKeepsTheLatest(t *testing.T) {
	c, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 2*RefusalsKept + 7
	for i := range n {
		c.Refuse(nil, &protocol.Refusal{Kind: protocol.RefusalConflict, Record: int32(i), Lock: fmt.Sprint("lock-", i%20)}, int64(i))
	}
	latest, total := c.Refusals(nil)
	if total != n || len(latest) != RefusalsKept {
		t.Fatalf("%d of %d refusals are kept", len(latest), total)
	}
	for i, e := range latest {
		if want := int64(n - RefusalsKept + i); e.TimeMs != want {
			t.Fatalf("refusal %d is of time %d, want %d", i, e.TimeMs, want)
		}
	}
}

// TestHotLocksAreFoundAmongMany refuses ten locks often, and thousands once.
func TestHotLocksAreFoundAmongMany(t *testing.T) {
	c, err := Open(Options{})
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(lock string) { c.Refuse(nil, &protocol.Refusal{Lock: lock}, 0) }
	for i := range 5000 {
		refuse(fmt.Sprint("cold-", i))
		for h := range 10 {
			if i%(h+2) == 0 {
				refuse(fmt.Sprint("hot-", h))
			}
		}
	}
	hot := c.HotLocks()
	if len(hot) != HotLocksMax {
		t.Fatalf("%d hot locks, want %d", len(hot), HotLocksMax)
	}
	for h, lock := range hot {
		if want := uint64((5000 + h + 1) / (h + 2)); lock.Lock != fmt.Sprint("hot-", h) || lock.Refused < want || lock.Refused-lock.Over > want {
			t.Errorf("hot lock %d is %+v, want hot-%d with %d", h, lock, h, want)
		}
	}
	if len(c.hot.counters) != hotCounters {
		t.Errorf("%d counters, want %d", len(c.hot.counters), hotCounters)
	}
}
