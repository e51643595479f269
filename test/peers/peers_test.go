package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMain lets the tests start this binary as the NATS server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "nats" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestEveryLoadRunsAgainstItsServer runs the whole plan, too briefly for its
// figures to mean anything: each load must come to its end, every counter must
// be right, and every aim must find its cells. Lockstep's part needs its
// program.
func TestEveryLoadRunsAgainstItsServer(t *testing.T) {
	const program = "../../bin/lockstep"
	if _, err := exec.LookPath(program); err != nil {
		t.Skip("bin/lockstep is not there; make build makes it")
	}
	o := options{lockstep: program, time: 20 * time.Millisecond, rounds: 1, limit: time.Minute,
		only: regexp.MustCompile(""), dir: t.TempDir(), warmBytes: 1 << 20}
	r := newReport(o)
	if err := (&run{options: o, report: r, log: t.Output()}).all(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, c := range r.cells {
		if c.err != nil || len(c.runs) != 2 {
			t.Errorf("%s, %s: %d runs, %v", c.workload, c.label, len(c.runs), c.err)
		}
	}
	for _, a := range aims {
		if _, ok := a.measured(r); !ok {
			t.Errorf("%q was not measured", a.text)
		}
	}
	var out bytes.Buffer
	r.print(&out)
	if !strings.Contains(out.String(), labelFast) {
		t.Errorf("the report lacks a line:\n%s", &out)
	}
}

func TestACounterThatLostAWriteFailsItsMeasurement(t *testing.T) {
	c := counters{total: 8}
	if c.check(number(counted(8))) != nil {
		t.Error("eight commits and a counter at 8 were refused")
	}
	if c.check(number(counted(7))) == nil {
		t.Error("eight commits and a counter at 7 passed")
	}
	if got := len(counted(math.MaxInt64)); got != valueBytes {
		t.Errorf("a counter's value has %d bytes, want %d", got, valueBytes)
	}
}

func TestVerdictsSayWhenNeighboursDisagree(t *testing.T) {
	for _, c := range []struct {
		atMost bool
		s      spread
		want   string
	}{
		{false, spread{2, 1, 3}, "met"},
		{false, spread{1, 0.5, 3}, "met, not in every pair"},
		{false, spread{0.7, 0.5, 3}, "missed, not in every pair"},
		{false, spread{0.7, 0.5, 0.9}, "missed"},
		{true, spread{0.7, 0.5, 1}, "met"},
		{true, spread{2, 0.5, 3}, "missed, not in every pair"},
	} {
		if got := (aim{atMost: c.atMost, goal: 1}).verdict(c.s); got != c.want {
			t.Errorf("%v of at most: %v: %q, want %q", c.s, c.atMost, got, c.want)
		}
	}
}
