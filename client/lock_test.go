package client

import (
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"

	"github.com/lockstep-log/lockstep/protocol"
)

// TestLocksAreWrittenAsTheContractSays, each condition as the headers it makes.
func TestLocksAreWrittenAsTheContractSays(t *testing.T) {
	for _, c := range []struct {
		basis int64
		locks []Lock
		want  string
	}{
		{12, []Lock{Write("acct:7")}, "[lock-write=acct:7 lock-basis=12]"},
		{None, []Lock{Write("a"), Write("b").At(3)}, "[lock-write=a b@3 lock-basis=none]"},
		{12, []Lock{Read("b").At(None)}, "[lock-read=b@none]"},
		{12, []Lock{Append("log")}, "[lock-append=log]"},
		{12, []Lock{Append("log"), Read("r"), Write("w")}, "[lock-write=w lock-read=r lock-append=log lock-basis=12]"},
		{12, []Lock{Partition()}, "[lock-write=* lock-basis=12]"},
		{12, []Lock{Write("*"), Write("a b@c")}, "[lock-write=%2A a%20b%40c lock-basis=12]"},
		{12, nil, "[]"},
	} {
		r := Attach(&kgo.Record{}, c.basis, c.locks...)
		got := []string{}
		for _, h := range r.Headers {
			got = append(got, h.Key+"="+string(h.Value))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%v: got %v, want %s", c.locks, got, c.want)
		}
	}
}

// TestAnyNameComesThroughTheHeader: the broker reads the name that was meant.
func TestAnyNameComesThroughTheHeader(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringN(1, 40, 255).Draw(t, "name")
		var q protocol.LockRequest
		headers, _ := appendLocks(nil, nil, &Cond{Basis: 1, Locks: []Lock{Write(name)}})
		if err := checkHeaders(&q, headers); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
		if len(q.Items) != 1 || q.Items[0].All || string(q.Items[0].Name) != name {
			t.Fatalf("%q is read as %+v", name, q.Items)
		}
		if Write(name).header() != string(q.Items[0].Raw) {
			t.Fatalf("a refusal would name %q, and not %q", q.Items[0].Raw, Write(name).header())
		}
	})
}

// TestMistakesAreRefusedBeforeTheyAreSent, and say which record is wrong.
func TestMistakesAreRefusedBeforeTheyAreSent(t *testing.T) {
	for what, cond := range map[string]Cond{
		"an empty name":    {Locks: []Lock{Write("")}},
		"a negative basis": {Basis: -2, Locks: []Lock{Write("a")}},
		"an id of spaces":  {ID: "a b"},
		"too many locks":   {Locks: make([]Lock, protocol.LocksPerRecordMax+1)},
	} {
		_, err := new(options).prepare(place{"t", 0}, &cond, []*kgo.Record{{}, {}}, new(headerBuf))
		if !errors.Is(err, ErrMalformed) || errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", what, err)
		}
	}
	attached := Attach(&kgo.Record{}, 1, Write("a"))
	_, err := new(options).prepare(place{"t", 0}, &Cond{Locks: []Lock{Write("b")}}, []*kgo.Record{attached},
		new(headerBuf))
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("locks of both kinds: %v", err)
	}
}

// TestErrorsTellTheirClass by errors.Is, from the text alone.
func TestErrorsTellTheirClass(t *testing.T) {
	for text, class := range map[string]error{
		"CONFLICT lock=a last=? basis=none by=- record=1: in the batch":   ErrConflict,
		"UNKNOWN lock=a last=? basis=12 by=- record=0: too old":           ErrConflict,
		"DUPLICATE id=x last=18 record=0: other content":                  ErrDuplicate,
		"MALFORMED record=3: header \"lock-wirte\" is unknown; see: docs": ErrMalformed,
	} {
		e, ok := Parse(text)
		if !ok || !errors.Is(fmt.Errorf("wrapped: %w", e), class) || e.Error() != text {
			t.Errorf("%s: %+v", text, e)
		}
	}
	if _, ok := Parse("Broker: Policy violation"); ok {
		t.Error("any text is a refusal")
	}
}
