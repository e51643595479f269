package conflict

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// TestABatchOfVerdictsIsItsAppendsOneByOne: random batches, judged append by
// append, against a table that is given each append as a batch of its own; and
// a retry of each batch against its first judgement.
func TestABatchOfVerdictsIsItsAppendsOneByOne(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		together, alone := openEach(rt), openEach(rt)
		end := protocol.Offset(0)
		for range rapid.IntRange(1, 6).Draw(rt, "batches") {
			appends := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) record.Record { return drawAppend(rt, end) }), 1, 7).Draw(rt, "appends")
			appends = apart(appends)
			r := prepared(rt, appends...)
			v := together.JudgeEach(r, end)
			got := make([]string, len(appends))
			for i := range v.Skipped {
				v.Skipped[i].Place(end)
				got[v.Skipped[i].First] = headOf(&v.Skipped[i])
			}
			together.Mark(r, end, v)
			for i, a := range appends {
				one := prepared(rt, a)
				v := alone.JudgeEach(one, end)
				want := ""
				if len(v.Skipped) > 0 {
					if refusal := v.Skipped[0].Refusal; refusal != nil {
						refusal.Record = int32(i)
					}
					want = headOf(&v.Skipped[0])
				}
				alone.Mark(one, end+protocol.Offset(i), v)
				one.Release()
				if got[i] != want {
					rt.Fatalf("append %d of %v: in the batch %q, alone %q", i, appends, got[i], want)
				}
			}
			again := together.JudgeAgain(r, func(i int32) bool { return got[i] == "" }, end)
			for i := range again.Skipped {
				again.Skipped[i].Place(end)
				if first, second := got[again.Skipped[i].First], headOf(&again.Skipped[i]); wordOf(first) != wordOf(second) && !idWrittenSince(second) {
					rt.Fatalf("append %d of %v: first %q, again %q", again.Skipped[i].First, appends, first, second)
				}
			}
			if len(again.Skipped) != len(v.Skipped) {
				rt.Fatalf("%d left out, and %d again", len(v.Skipped), len(again.Skipped))
			}
			r.Release()
			end += protocol.Offset(len(appends))
		}
		if got, want := dumpTo(rt, together), dumpTo(rt, alone); got != want {
			rt.Fatalf("the tables differ:\n%s\n%s", got, want)
		}
	})
}

func openEach(rt *rapid.T) *LockTable {
	c, err := Open(Options{})
	if err != nil {
		rt.Fatal(err)
	}
	return c
}

// drawAppend is a record with locks, or without any.
func drawAppend(rt *rapid.T, end protocol.Offset) record.Record {
	r := record.Record{Value: []byte(rapid.SampledFrom([]string{"v", "w"}).Draw(rt, "value"))}
	header := func(key, value string) { r.Headers = append(r.Headers, record.Header{Key: key, Value: []byte(value)}) }
	for _, key := range []string{protocol.HeaderLockWrite, protocol.HeaderLockRead, protocol.HeaderLockAppend} {
		locks := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d", "*"}), 0, 2, rapid.ID[string]).Draw(rt, key)
		if len(locks) > 0 {
			header(key, strings.Join(locks, " "))
		}
	}
	basis := protocol.Offset(rapid.IntRange(-1, int(end)).Draw(rt, "basis"))
	header(protocol.HeaderLockBasis, basis.String())
	if id := rapid.SampledFrom([]string{"", "", "x", "y", "z"}).Draw(rt, "id"); id != "" {
		header(protocol.HeaderLockID, id)
	}
	return r
}

// apart puts a plain record between neighbours of one id, which would be one append.
func apart(appends []record.Record) (out []record.Record) {
	id := func(r record.Record) string {
		for _, h := range r.Headers {
			if h.Key == protocol.HeaderLockID {
				return string(h.Value)
			}
		}
		return ""
	}
	for i, a := range appends {
		if i > 0 && id(a) != "" && id(a) == id(appends[i-1]) {
			out = append(out, record.Record{Value: []byte("between"), Headers: []record.Header{{Key: protocol.HeaderLockAppend, Value: []byte("between")}}})
		}
		out = append(out, a)
	}
	return out
}

func prepared(rt *rapid.T, records ...record.Record) *Request {
	b := record.NewBuilder(record.CodecNone)
	for _, r := range records {
		b.Add(r)
	}
	raw, err := b.Build()
	if err != nil {
		rt.Fatal(err)
	}
	batch, err := record.Parse(raw, record.Limits{})
	if err != nil {
		rt.Fatal(err)
	}
	recs, err := batch.Open(record.Limits{})
	if err != nil {
		rt.Fatal(err)
	}
	defer recs.Release()
	r, refusal := Prepare(batch, &recs, Optional)
	if refusal != nil || r == nil {
		rt.Fatalf("%v", refusal)
	}
	return r
}

func headOf(l *Skipped) string {
	if l.Refusal == nil {
		return fmt.Sprintf("repeats %d", l.At)
	}
	head, _, _ := strings.Cut(l.Refusal.Message(), ": ")
	return head
}

// idWrittenSince: a later append of the batch had the id of a refused one. Its
// retry is told of that one, as any retry by id is.
func idWrittenSince(again string) bool {
	word := wordOf(again)
	return word == "repeats" || word == "DUPLICATE"
}

func wordOf(head string) string {
	word, _, _ := strings.Cut(head, " ")
	return word
}

func dumpTo(rt *rapid.T, c *LockTable) string {
	d, err := c.Digest()
	if err != nil {
		rt.Fatal(err)
	}
	return fmt.Sprintf("%x", d)
}
