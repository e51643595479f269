package lock

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// written builds one batch of the log: a record a string, of headers "k=v; k=v".
func written(t *testing.T, base protocol.Offset, records ...string) record.Batch {
	t.Helper()
	b := record.NewBuilder(record.CodecNone).Place(base, 0)
	for _, text := range records {
		b.Add(recordOf(text))
	}
	raw, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	batch, _, err := record.View(raw)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func recordOf(text string) record.Record {
	r := record.Record{Value: []byte("v")}
	for f := range strings.SplitSeq(text, "; ") {
		if k, v, ok := strings.Cut(f, "="); ok {
			r.Headers = append(r.Headers, record.Header{Key: k, Value: []byte(v)})
		}
	}
	return r
}

// TestTheAuditorKnowsWhatWasCarried: it is told apart, is never wrong, and marks.
func TestTheAuditorKnowsWhatWasCarried(t *testing.T) {
	a := newAuditor(0, 0)
	base := protocol.Offset(0)
	fold := func(carried bool, records ...string) {
		b := written(t, base, records...)
		if carried {
			b.MarkCarried()
		}
		if err := a.fold(b); err != nil {
			t.Fatal(err)
		}
		base = b.NextOffset()
	}
	fold(true, "lock-write=a; lock-basis=4711", "lock-write=a; lock-basis=none", "lock-wirte=b")
	fold(false, "")
	fold(true, "", "lock-append=c")
	fold(false, "lock-write=a; lock-basis=1")                                  // 6: right
	fold(false, "lock-write=c; lock-basis=1", "lock-write=b; lock-basis=none") // 7: wrong; 8: right
	fold(true, "lock-read=a; lock-basis=none")                                 // 9
	want := audited{
		End: 10, Records: 10, Requests: 3, Locks: 3, Carried: 5,
		Stretches: []carriedRange{{0, 5, 4}, {9, 9, 1}},
		Wrong:     []wrongAdmission{{7, `lock "c" was written at offset 5, after its basis 1`}}, WrongAll: 1,
	}
	if !reflect.DeepEqual(a.out, want) {
		t.Errorf("got  %+v\nwant %+v", a.out, want)
	}
}

// TestTheAuditorFindsEveryWrongAdmission: each story is a log; the second list
// is what must be found in it, by offset and words.
func TestTheAuditorFindsEveryWrongAdmission(t *testing.T) {
	for name, c := range map[string]struct {
		start    protocol.Offset
		batches  [][]string
		want     []string
		unproven int64
	}{
		"a right log": {0, [][]string{{"lock-write=a; lock-basis=none"}, {""}, {"lock-write=a b; lock-basis=1"},
			{"lock-read=* b@2; lock-basis=2"}}, nil, 0},
		"a lost update": {0, [][]string{{"lock-write=a; lock-basis=none"}, {"lock-write=a; lock-basis=none"}},
			[]string{`1: lock "a" was written at offset 0, after its basis none`}, 0},
		"write skew": {0, [][]string{{"lock-append=a"}, {"lock-read=a; lock-write=b; lock-basis=none"}},
			[]string{`1: lock "a" was written at offset 0`}, 0},
		"the whole partition": {0, [][]string{{""}, {"lock-write=*; lock-basis=none"}},
			[]string{`1: lock "*" was written at offset 0`}, 0},
		"two writers in one batch": {0, [][]string{{"lock-write=a; lock-basis=none", "lock-write=a; lock-basis=none"}},
			[]string{`1: lock "a" was written at offset 0`}, 0},
		"one append of two records": {0,
			[][]string{{"lock-write=a; lock-basis=none; lock-id=x", "lock-write=a; lock-basis=none; lock-id=x"}}, nil, 0},
		"a basis from the future": {0, [][]string{{""}, {"lock-write=a; lock-basis=1"}},
			[]string{`1: lock "a" has basis 1, which nobody can have read`}, 0},
		"a header that no broker admits": {0, [][]string{{"lock-wirte=a"}}, []string{`0: `}, 0},
		"a spelling of the same lock": {0, [][]string{{"lock-write=A; lock-basis=none"}, {"lock-write=%41; lock-basis=none"}},
			[]string{`1: lock "%41" was written at offset 0`}, 0},
		"a log that was cut": {10, [][]string{{"lock-write=a; lock-basis=3"}, {"lock-write=b; lock-basis=9"}}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuditor(0, c.start)
			base := c.start
			for _, records := range c.batches {
				b := written(t, base, records...)
				if err := a.fold(b); err != nil {
					t.Fatal(err)
				}
				base = b.NextOffset()
			}
			var got []string
			for _, w := range a.out.Wrong {
				got = append(got, w.Offset.String()+": "+w.Reason)
			}
			if len(got) != len(c.want) || a.out.Unproven != c.unproven {
				t.Fatalf("found %q, %d unproven; want %q, %d", got, a.out.Unproven, c.want, c.unproven)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], c.want[i]) {
					t.Errorf("found %q, want %q", got[i], c.want[i])
				}
			}
		})
	}
}
