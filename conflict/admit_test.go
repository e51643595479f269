package conflict

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
)

// TestAdmitAdmitsAllOrLeavesNoTrace: batches of so many locks that they are
// walked in several blocks, of names that come again and names that are new;
// bases of which one may be too old. A table that is asked the short way first
// is held to one that is asked the long way only.
func TestAdmitAdmitsAllOrLeavesNoTrace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		short, long := openEach(rt), openEach(rt)
		end := protocol.Offset(0)
		for range rapid.IntRange(1, 5).Draw(rt, "batches") {
			r := requests.Get().(*Request)
			fill(r, drawNames(rt), protocol.Offset(rapid.IntRange(-1, int(end)-1).Draw(rt, "basis")))
			if len(r.locks) > 0 && rapid.Bool().Draw(rt, "stale") {
				r.locks[rapid.IntRange(0, len(r.locks)-1).Draw(rt, "which")].basis = protocol.None
			}
			want := long.Judge(r, end+1)
			before := dumpTo(rt, short)
			switch admitted := short.Admit(r, end, end+1); {
			case admitted && !want.Admitted():
				rt.Fatalf("the short way admits what is refused: %v", want.Refusal)
			case !admitted && dumpTo(rt, short) != before:
				rt.Fatal("the short way left a trace")
			case !admitted && want.Admitted():
				short.Mark(r, end, want)
			}
			if want.Admitted() {
				long.Mark(r, end, want)
				end += protocol.Offset(r.lastOf) + 1
			}
			r.Release()
			if got, want := dumpTo(rt, short), dumpTo(rt, long); got != want {
				rt.Fatal("the tables differ")
			}
		}
	})
}

// drawNames are names of which most are new to their batch.
func drawNames(rt *rapid.T) [][]byte {
	first, n := rapid.IntRange(0, 300).Draw(rt, "first"), rapid.IntRange(1, 3*prefetchBlock).Draw(rt, "names")
	names := make([][]byte, n)
	for i := range names {
		names[i] = lockName(nil, uint32(first+i))
	}
	if rapid.IntRange(0, 3).Draw(rt, "twice") == 0 {
		names[n-1] = names[0]
	}
	return names
}

// TestAdmitIsNotOftenUnsure: what the short way is for is admitted by it.
func TestAdmitIsNotOftenUnsure(t *testing.T) {
	c := live(t, 10_000)
	names := make([][]byte, 1000)
	for i := range names {
		names[i] = lockName(nil, uint32(9500+i)) // half of them are new
	}
	r := requestOf(names, c.End())
	defer r.Release()
	if !c.Admit(r, c.End()+1, c.End()+1) {
		t.Error("a batch that nothing speaks against was not admitted the short way")
	}
	if c.Admit(r, c.End()+1, c.End()+1) {
		t.Error("a batch whose locks were all written since was admitted")
	}
}
