package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A client that is denied in a loop fills no disk: what is beyond the bound is
// counted, and the next line says so.
func TestTheLogIsBoundedAndSaysWhatItLeftOut(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	l := New(Options{Out: &out, Logger: slog.Default(), Now: func() time.Time { return now }})
	for range EventsMax + 500 {
		l.Note(Event{Principal: "User:eve", Name: strings.Repeat("x", 10_000)})
	}
	l.Note(Event{Principal: "User:bob", Allowed: true}) // not wanted
	if n := strings.Count(out.String(), "\n"); n != EventsMax || out.Len() > EventsMax*(textBytesMax+200) {
		t.Fatalf("%d lines, %d bytes", n, out.Len())
	}
	out.Reset()
	now = now.Add(time.Second)
	l.Note(Event{Principal: "User:eve\n\"x", Host: "10.0.0.1", Request: "Produce", Operation: "Write", Resource: "Topic", Name: "t"})
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got["left_out"] != 500.0 || got["allowed"] != false || got["principal"] != "User:eve\n\"x" || got["time"] != "1970-01-01T00:16:41Z" {
		t.Errorf("%s", out.Bytes())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("no room") }

// A file that cannot be written to is spoken of, and ends nothing.
func TestALogThatCannotBeWrittenGoesOn(t *testing.T) {
	var said bytes.Buffer
	l := New(Options{Out: broken{}, Allowed: true, Logger: slog.New(slog.NewTextHandler(&said, nil))})
	for range 3 {
		l.Note(Event{Principal: "User:bob", Allowed: true})
	}
	if n := strings.Count(said.String(), "no room"); n != 1 {
		t.Errorf("said %d times", n)
	}
	if New(Options{}).Wants(false) {
		t.Error("there is a log without a place to write to")
	}
}
