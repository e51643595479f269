package check

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

var here = Place{"bank", 0}

// rec makes a record; headers are key, value, key, value.
func rec(t *testing.T, offset int64, value string, headers ...string) Record {
	t.Helper()
	locks, err := ParseLocks(headers...)
	if err != nil {
		t.Fatal(err)
	}
	return Record{Offset: offset, Epoch: 1, Value: value, Header: locks}
}

// expect wants exactly one violation with a text in it, or none.
func expect(t *testing.T, what string, got []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(got) > 0:
		t.Errorf("%s: %q", what, got)
	case want != "" && (len(got) != 1 || !strings.Contains(got[0], want)):
		t.Errorf("%s: got %q, want one with %q", what, got, want)
	}
}

// TestALogIsJudgedByItself plants what no log may hold.
func TestALogIsJudgedByItself(t *testing.T) {
	first := rec(t, 0, "a", "lock-write", "x y", "lock-basis", "none")
	for _, c := range []struct {
		what string
		then Record
		want string
	}{
		{"a basis that covers", rec(t, 5, "b", "lock-write", "x", "lock-basis", "0"), ""},
		{"another lock", rec(t, 1, "b", "lock-write", "z", "lock-basis", "none"), ""},
		{"a blind write", rec(t, 1, "b", "lock-append", "x"), ""},
		{"a conflict", rec(t, 1, "b", "lock-write", "x", "lock-basis", "none"), `"x" was written at 0`},
		{"a read lock", rec(t, 1, "b", "lock-read", "y", "lock-basis", "none"), `"y" was written at 0`},
		{"a basis of its own", rec(t, 1, "b", "lock-write", "z x@none", "lock-basis", "0"), `"x" was written at 0`},
		{"the partition", rec(t, 1, "b", "lock-read", "*", "lock-basis", "none"), `"*" was written at 0`},
		{"a value twice", rec(t, 1, "a"), "again at 1"},
		{"an offset twice", rec(t, 0, "b"), "comes after offset 0"},
		{"an epoch that falls", Record{Offset: 1, Epoch: 0, Value: "b"}, "leader epoch 0, after 1"},
	} {
		l := NewLog(here)
		expect(t, "the first", l.Extend([]Record{first}), "")
		expect(t, c.what, l.Extend([]Record{c.then}), c.want)
	}
}

// TestRecordsOfOneAppendAreJudgedTogether: the second does not see the first.
func TestRecordsOfOneAppendAreJudgedTogether(t *testing.T) {
	pair := []string{"lock-write", "x", "lock-basis", "none", "lock-id", "one"}
	expect(t, "one append", NewLog(here).Extend([]Record{rec(t, 0, "a", pair...), rec(t, 1, "b", pair...)}), "")
	pair[len(pair)-1] = "two"
	l := NewLog(here)
	expect(t, "two", l.Extend([]Record{rec(t, 0, "a", "lock-write", "x", "lock-basis", "none", "lock-id", "one"), rec(t, 1, "b", pair...)}), `"x" was written at 0`)
}

// TestWhatWritersWereToldIsHeldAgainstTheLog plants each lie.
func TestWhatWritersWereToldIsHeldAgainstTheLog(t *testing.T) {
	l := NewLog(here)
	expect(t, "the log", l.Extend([]Record{
		rec(t, 0, "a", "lock-write", "x", "lock-basis", "none", "lock-id", "one"), rec(t, 1, "b"), rec(t, 3, "c"),
	}), "")
	refused := func(c Citation) Append {
		return Append{Writer: "w", At: here, Values: []string{"no"}, Outcome: Refused, Cited: &c}
	}
	for _, c := range []struct {
		what string
		told Append
		want string
	}{
		{"the truth", Append{At: here, Values: []string{"a", "b"}, Outcome: Acked, Offset: 0}, ""},
		{"unknown and there", Append{At: here, Values: []string{"a"}}, ""},
		{"unknown and not there", Append{At: here, Values: []string{"z"}}, ""},
		{"a loss", Append{At: here, Values: []string{"z"}, Outcome: Acked, Offset: 7}, "not in the log"},
		{"another offset", Append{At: here, Values: []string{"b"}, Outcome: Acked, Offset: 0}, "it is at 1"},
		{"a refused record in the log", Append{At: here, Values: []string{"a"}, Outcome: Refused, Cited: &Citation{Lock: "x", Basis: -1, Last: 0, By: "one"}}, "was refused"},
		{"a failed record in the log", Append{At: here, Values: []string{"a"}, Outcome: Failed}, "failed"},
		{"half an append", Append{At: here, Values: []string{"a", "z"}}, "torn apart"},
		{"an append with a gap", Append{At: here, Values: []string{"b", "c"}}, "torn apart"},
		{"a right refusal", refused(Citation{Lock: "x", Basis: -1, Last: 0, By: "one"}), ""},
		{"of the partition", refused(Citation{Lock: "*", Basis: 1, Last: 3}), ""},
		{"citing nothing", refused(Citation{Lock: "x", Basis: -1, Last: 2}), "no offset 2"},
		{"citing what was read", refused(Citation{Lock: "x", Basis: 0, Last: 0, By: "one"}), "not behind basis"},
		{"citing another lock", refused(Citation{Lock: "x", Basis: -1, Last: 1}), "does not name the lock"},
		{"citing another writer", refused(Citation{Lock: "x", Basis: -1, Last: 0, By: "two"}), `was written by "one"`},
	} {
		history := []Append{c.told}
		expect(t, c.what, append(l.Acks(history), l.Refusals(history)...), c.want)
	}
}

// TestOrderIsThatOfTheWriters in program order and in real time.
func TestOrderIsThatOfTheWriters(t *testing.T) {
	l := NewLog(here)
	l.Extend([]Record{rec(t, 0, Numbered("p", 0)), rec(t, 1, Numbered("q", 1)), rec(t, 2, Numbered("p", 1)), rec(t, 3, Numbered("q", 0))})
	expect(t, "a row", l.Sequence("p"), "")
	expect(t, "two that changed places", l.Sequence("q"), `"q 1" stands where number 0 should`)
	ack := func(value string, offset, from, to int) Append {
		return Append{At: here, Values: []string{value}, Outcome: Acked, Offset: int64(offset), Invoked: time.Duration(from), Returned: time.Duration(to)}
	}
	expect(t, "side by side", l.RealTime([]Append{ack("b", 1, 0, 9), ack("a", 0, 5, 9)}), "")
	expect(t, "one after the other", l.RealTime([]Append{ack("b", 1, 0, 4), ack("a", 0, 5, 9)}), "acknowledged at offset 1")
}

// TestReadersAreGivenEachRecordOnce in order, and ends do not fall.
func TestReadersAreGivenEachRecordOnce(t *testing.T) {
	l := NewLog(here)
	l.Extend([]Record{rec(t, 0, "a"), rec(t, 1, "b"), rec(t, 4, "c")})
	give := func(readings ...Reading) []string {
		r := &Reader{Name: "r"}
		first := l.Reads(r, readings[:1])
		return append(first, l.Reads(r, readings[1:])...)
	}
	a, b, c := Reading{here, 0, "a"}, Reading{here, 1, "b"}, Reading{here, 4, "c"}
	expect(t, "all", give(a, b, c), "")
	expect(t, "one left out", give(a, c), `"b" at offset 1 was due`)
	expect(t, "one twice", give(a, a), `"b" at offset 1 was due`)
	expect(t, "another value", give(Reading{here, 0, "z"}), `"a" at offset 0 was due`)
	expect(t, "what was lost", give(a, b, c, Reading{here, 5, "d"}), "where the log has ended")
	e := Ends{At: here}
	expect(t, "an end", e.See(7, 6), "")
	expect(t, "an end that falls", e.See(6, 5), "was 7 and then 6")
	expect(t, "an end before an acknowledgement", e.See(8, 8), "after offset 8 had been acknowledged")
}

// TestMoneyIsNotMade and nobody is overdrawn.
func TestMoneyIsNotMade(t *testing.T) {
	log := func(transfers ...Transfer) *Log {
		l := NewLog(here)
		for i, x := range transfers {
			l.Extend([]Record{rec(t, int64(i), x.String())})
		}
		return l
	}
	both := Transfer{"t1", "a", "b", Opening, "both"}
	expect(t, "all that there is", log(both).Bank(), "")
	expect(t, "one more", log(both, Transfer{"t2", "a", "b", 1, "both"}).Bank(), "overdraws a")
	expect(t, "a debit alone", log(Transfer{"t1", "a", "b", 5, "debit"}).Bank(), "differ by -5")
	expect(t, "a debit and its credit", log(Transfer{"t1", "a", "b", 5, "debit"}, Transfer{"t1", "a", "b", 5, "credit"}).Bank(), "")
}

// TestConditionalWritesAreLinearizable or porcupine says that they are not.
func TestConditionalWritesAreLinearizable(t *testing.T) {
	l := NewLog(here)
	l.Extend([]Record{rec(t, 4, "late")})
	op := func(basis, offset int64, from, to int) Append {
		return Append{At: here, Values: []string{fmt.Sprint(from)}, Outcome: Acked, Basis: basis, Offset: offset, Invoked: time.Duration(from), Returned: time.Duration(to)}
	}
	no := func(basis, last int64, from, to int) Append {
		return Append{At: here, Values: []string{"no"}, Outcome: Refused, Basis: basis, Cited: &Citation{Last: last}, Invoked: time.Duration(from), Returned: time.Duration(to)}
	}
	late := Append{At: here, Values: []string{"late"}, Basis: 3, Invoked: 7, Returned: 8}
	lost := Append{At: here, Values: []string{"lost"}, Basis: 0, Invoked: 0, Returned: 1}
	expect(t, "in turn", l.Register(0, []Append{op(0, 1, 0, 2), no(0, 1, 3, 4), op(1, 3, 3, 6), late, no(3, 4, 20, 21), lost}), "")
	expect(t, "two on one basis", l.Register(0, []Append{op(0, 1, 0, 2), op(0, 3, 3, 6)}), "not linearizable")
	expect(t, "a refusal from nowhere", l.Register(0, []Append{no(0, 1, 0, 2), op(0, 1, 3, 4)}), "not linearizable")
}

// TestReplicasAreComparedByteForByte on files as a broker leaves them.
func TestReplicasAreComparedByteForByte(t *testing.T) {
	batch := func(offset int64, value string) []byte {
		b, err := record.NewBuilder(record.CodecNone).Place(protocol.Offset(offset), 1).Add(record.Record{Value: []byte(value)}).Build()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	write := func(broker int, segments ...[]byte) *Replica {
		dir := t.TempDir()
		for i, content := range segments {
			path := filepath.Join(dir, "logs", "bank-0.id", fmt.Sprintf("%020d.log", i))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(content, make([]byte, 100)...), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all, err := ReadReplicas(broker, dir)
		if err != nil {
			t.Fatal(err)
		}
		return all["bank-0.id"]
	}
	a, b, c, other := batch(0, "a"), batch(1, "b"), batch(2, "c"), batch(1, "B")
	one := write(1, append(a, b...), c)
	expect(t, "equal", SameBytes(3, []*Replica{one, write(2, append(a, b...), c)}), "")
	expect(t, "other segments", SameBytes(3, []*Replica{one, write(2, a, append(b, c...))}), "")
	expect(t, "a tail that is not committed", SameBytes(2, []*Replica{one, write(2, append(a, b...))}), "")
	expect(t, "one that ends too soon", SameBytes(3, []*Replica{one, write(2, append(a, b...))}), "broker 2 ends at offset 2")
	expect(t, "another batch", SameBytes(3, []*Replica{one, write(2, append(a, other...), c)}), "the 1. batch is 1-2")
	expect(t, "another batch that is not committed", SameBytes(1, []*Replica{one, write(2, append(a, other...), c)}), "")
	if !here.IsReplicaOf("bank-0.id") || here.IsReplicaOf("bank-01.id") {
		t.Error("a directory is taken for another partition's")
	}
}
