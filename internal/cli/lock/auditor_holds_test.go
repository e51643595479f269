package lock

import (
	"strconv"
	"strings"
	"testing"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// told builds the next batch of a story's log. "a; b | c" is a batch of two records with
// their headers, "7: a; b" one of producer 7's transaction; "7 commit" and "7 abort" are
// that one's markers, "7 commit 3" one with a number, and "7 carried: a" is one whose topic held copies.
func told(t *testing.T, base protocol.Offset, line string) record.Batch {
	t.Helper()
	who, text, transactional := strings.Cut(line, ": ")
	if id, end, ok := strings.Cut(line, " "); ok && (strings.HasPrefix(end, "commit") || strings.HasPrefix(end, "abort")) {
		end, text, _ := strings.Cut(end, " ")
		number, _ := strconv.ParseInt(text, 10, 64)
		m := record.Marker{Commit: end == "commit", Number: number}.Batch(producerOf(t, id), 0, 0)
		m.Place(base, 0)
		return m
	}
	if !transactional {
		return written(t, base, strings.Split(line, " | ")...)
	}
	id, carried := strings.CutSuffix(who, " carried")
	b := record.NewBuilder(record.CodecNone).Place(base, 0).Producer(producerOf(t, id), 0, 0).Transactional()
	for text := range strings.SplitSeq(text, " | ") {
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
	if carried {
		batch.MarkCarried()
	}
	return batch
}

func producerOf(t *testing.T, id string) protocol.ProducerID {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return protocol.ProducerID(n)
}

// TestTheAuditorKnowsTransactions: each story is a log with transactions, a batch a line;
// want is what must be found in it, by offset and words, and nothing else. Each rule has a
// right log and one that a broker without the rule would have written.
func TestTheAuditorKnowsTransactions(t *testing.T) {
	for name, c := range map[string]struct {
		log                string
		aborted, undecided int64
		want               string
	}{
		"what a transaction wrote itself does not count against it": {
			"7: lock-write=a; lock-basis=none\n7: lock-write=a; lock-basis=none\n7 commit\nlock-write=a; lock-basis=1", 0, 0, ""},
		"nor in one batch": {"7: lock-write=a; lock-basis=none | lock-read=a; lock-basis=none | lock-append=a\n7 commit", 0, 0, ""},
		"aborted writes never were": {"lock-write=a; lock-basis=none\n7: lock-write=a; lock-basis=0\n7 abort\n" +
			"lock-write=a; lock-basis=0", 1, 0, ""},
		"committed writes count, with their own offsets": {"7: lock-write=a; lock-basis=none | lock-write=b; lock-basis=none\n7 commit\n" +
			"lock-write=a; lock-basis=0\nlock-write=b; lock-basis=0", 0, 0,
			`4: lock "b" was written at offset 1, after its basis 0`},
		"a commit does not make older what was written since": {"7: lock-append=a\n7: lock-append=a\n7 commit\nlock-write=a; lock-basis=0",
			0, 0, `3: lock "a" was written at offset 1, after its basis 0`},
		"an aborted mark leaves the one before": {"lock-write=a; lock-basis=none\n7: lock-append=a\n7 abort\nlock-write=a; lock-basis=none",
			1, 0, `3: lock "a" was written at offset 0, after its basis none`},
		"a write past an exclusive hold": {"7: lock-write=a; lock-basis=none\nlock-write=a; lock-basis=none\n7 abort",
			1, 0, `1: lock "a" was held since offset 0 by a transaction that was still open`},
		"a read past an exclusive hold": {"7: lock-append=a\nlock-read=a; lock-basis=none", 0, 1,
			`1: lock "a" was held since offset 0`},
		"a blind append past an exclusive hold": {"7: lock-append=a\nlock-append=a", 0, 1, `1: lock "a" was held since offset 0`},
		"a blind append past a shared hold": {"7: lock-read=a; lock-basis=none\nlock-append=a\n7 commit", 0, 0,
			`1: lock "a" was held for reading since offset 0 by a transaction that was still open`},
		"a write of another transaction past a guard": {"7: lock-read=a; lock-basis=none\n8: lock-write=a; lock-basis=none", 0, 2,
			`1: lock "a" was held for reading since offset 0`},
		"readers share": {"7: lock-read=a; lock-basis=none\n8: lock-read=a; lock-basis=none\nlock-read=a; lock-basis=none\n7 commit\n8 abort",
			1, 0, ""},
		"one of two readers has ended": {"7: lock-read=a; lock-basis=none\n8: lock-read=a; lock-basis=none\n7 commit\nlock-append=a", 0, 1,
			`3: lock "a" was held for reading since offset 1`},
		"a reader makes its hold a writer's": {"7: lock-read=a; lock-basis=none\n7: lock-write=a; lock-basis=none\nlock-read=a; lock-basis=none",
			0, 2, `2: lock "a" was held since offset 1`},
		"holds end with the marker": {"7: lock-write=a; lock-basis=none\n7 commit\nlock-append=a\n7: lock-write=b; lock-basis=1\n7 abort\n" +
			"8: lock-write=b; lock-basis=none\n8 commit", 1, 0, ""},
		"another's marker ends nothing": {"7: lock-write=a; lock-basis=none\n8: \n8 commit\nlock-append=a", 0, 1,
			`3: lock "a" was held since offset 0`},
		"who committed before a basis was written": {"7: lock-write=a; lock-basis=none\n7 commit\n8: lock-write=a; lock-basis=none\n8 abort",
			1, 0, `2: lock "a" was written at offset 0, after its basis none`},
		"a basis that reads what is undecided": {"\n7: \n\nlock-write=a; lock-basis=2\n7 commit", 0, 0,
			`3: lock "a" has basis 2, and offset 1 was undecided`},
		"a basis below what is undecided": {"\n7: \n\nlock-write=a; lock-basis=0\n7 commit\nlock-write=a; lock-basis=4", 0, 0, ""},
		"a basis that reads its own transaction": {"7: lock-write=a; lock-basis=none\n7: lock-write=a; lock-basis=0\n7 commit", 0, 0,
			`1: lock "a" has basis 0, and offset 0 was undecided`},
		"the whole partition, in a transaction": {"7: lock-write=*; lock-basis=none\n7 commit", 0, 0,
			`0: lock "*" is in a transaction, which cannot hold it`},
		"the whole partition, while a record is undecided": {"\n7: \nlock-write=*; lock-basis=0\n7 abort", 1, 0,
			`2: lock "*" has basis 0, and offset 1 behind it was undecided`},
		"the whole partition, after an abort": {"\n7: \n7 abort\nlock-write=*; lock-basis=0", 1, 0, ""},
		"the whole partition, after a commit": {"\n7: \n7 commit\nlock-write=*; lock-basis=0", 0, 0,
			`3: lock "*" was written at offset 1, after its basis 0`},
		"a lock-id that is undecided": {"7: lock-append=a; lock-id=x\nlock-append=b; lock-id=x\n7 commit", 0, 0,
			`1: lock-id "x" stood at offset 0 in a transaction that was still open`},
		"a repeat in its own transaction": {"7: lock-append=a; lock-id=x\n7: lock-append=a; lock-id=x\n7 commit", 0, 0,
			`1: lock-id "x" stood at offset 0`},
		"a lock-id that was aborted": {"7: lock-append=a; lock-id=x\n7 abort\n8: lock-append=a; lock-id=x\n8 commit", 1, 0, ""},
		"one append of a transaction": {"7: lock-write=a; lock-basis=none; lock-id=x | lock-write=a; lock-basis=none; lock-id=x\n7 commit",
			0, 0, ""},
		"carried writes are not judged, and hold": {"8: lock-append=a\n7 carried: lock-write=a; lock-basis=99\n8 abort\nlock-append=a", 1, 1,
			`3: lock "a" was held since offset 1`},
		"carried writes count from their commit": {"7 carried: lock-write=a; lock-basis=99\n7 commit\nlock-write=a; lock-basis=none", 0, 0,
			`2: lock "a" was written at offset 0, after its basis none`},
		"a commit leaves what was carried meanwhile": {"7: lock-append=a\n8 carried: lock-append=a\n8 commit\n7 commit\n" +
			"lock-write=a; lock-basis=0", 0, 0, `4: lock "a" was written at offset 1, after its basis 0`},
		"a marker without a transaction": {"7 commit\nlock-write=a; lock-basis=0\n7 abort", 0, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAuditor(0, 0)
			for line := range strings.SplitSeq(c.log, "\n") {
				if err := a.fold(told(t, a.next, line)); err != nil {
					t.Fatal(err)
				}
			}
			found := ""
			for _, w := range a.out.Wrong {
				found += w.Offset.String() + ": " + w.Reason + "\n"
			}
			if !strings.HasPrefix(found, c.want) || strings.Count(found, "\n") != min(1, len(c.want)) {
				t.Errorf("found %q, want %q", found, c.want)
			}
			if a.out.Aborted != c.aborted || a.out.Undecided != c.undecided {
				t.Errorf("%d aborted, %d undecided; want %d, %d", a.out.Aborted, a.out.Undecided, c.aborted, c.undecided)
			}
			if n := len(a.holds.open); c.undecided == 0 && n+len(a.holds.locks)+len(a.holds.ids) > 0 {
				t.Errorf("%d transactions are kept, %d holds, %d lock-ids", n, len(a.holds.locks), len(a.holds.ids))
			}
		})
	}
}
