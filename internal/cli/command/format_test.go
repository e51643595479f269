package command

import (
	"bytes"
	"errors"
	"testing"
)

// A cell is one cell, whoever chose its text: no new line, column or colour.
func TestACellOfATableIsNoMoreThanThat(t *testing.T) {
	var b bytes.Buffer
	Row(&b, "caf\xe9", "a\tb\nc", "\x1b[31mred", 7)
	if want := "caf\\xe9\ta\\x09b\\x0ac\t\\x1b[31mred\t7\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}

func TestAnErrorCannotSteerTheTerminal(t *testing.T) {
	var b bytes.Buffer
	Report(&b, errors.Join(errors.New("one \x1b[2J"), errors.New("two\r")))
	if want := "lockstep: one \\x1b[2J\ntwo\\x0d\n"; b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}
