package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test binary be the servers that a bench starts as {self}.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "floor" || os.Args[1] == "kfake") {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

const kfakeLine = "{self} kfake -listen {listen}"

// tiny runs a bench of a few milliseconds a measurement and returns its table,
// its talk and its figures.
func tiny(t *testing.T, server, only string, more ...string) (table, talk string, all []figures, err error) {
	t.Helper()
	dir := t.TempDir()
	figuresPath := filepath.Join(t.TempDir(), "figures.json")
	var stdout, stderr bytes.Buffer
	args := append([]string{"-server", server, "-only", only, "-quick", "-time", "5ms", "-mib", "1",
		"-warm", "1", "-dir", dir, "-json", figuresPath}, more...)
	err = dispatch(t.Context(), args, &stdout, &stderr)
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	b, readErr := os.ReadFile(figuresPath)
	if readErr != nil {
		t.Fatalf("%v; run: %v", readErr, err)
	}
	var doc struct{ Cells []figures }
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), doc.Cells, err
}

// Goal: the whole path from flags to figures. Method: a Kafka look-alike in
// the broker's place, every kind of workload once.
func TestBenchMeasuresAServerAgainstTheFloor(t *testing.T) {
	table, talk, cells, err := tiny(t, kfakeLine, "batched/.*/nosync|consume|stock|paced")
	if err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	var got []string
	for _, c := range cells {
		got = append(got, c.Workload+" "+c.Label)
		if c.Runs != 2 || c.RecordsPerSec <= 0 || c.MBPerSec <= 0 {
			t.Errorf("%+v", c)
		}
		if (c.Label != labelFloor) != (c.RateToFloor != nil) {
			t.Errorf("%s %s: ratio to the floor %v", c.Workload, c.Label, c.RateToFloor)
		}
	}
	want := []string{
		"batched/100B/nosync floor", "batched/100B/nosync plain", "batched/100B/nosync 1 lock",
		"consume/100B floor", "consume/100B plain",
		"stock/100B floor", "stock/100B plain", "stock/100B 1 lock",
		"stock-consume/100B floor", "stock-consume/100B plain",
		"paced/100B/fsync floor", "paced/100B/fsync plain", "paced/100B/fsync 1 lock",
	}
	if !slices.Equal(got, want) {
		t.Errorf("measured %q, want %q", got, want)
	}
	for _, text := range []string{"batched/100B/nosync: raw wire", "aims\n", "not measured"} {
		if !strings.Contains(table, text) {
			t.Errorf("the table lacks %q:\n%s", text, table)
		}
	}
}

// Goal: an older build can be compared with in one run. Method: the same server
// on both sides, and a look at the order, the labels and the table.
func TestTwoServersAreMeasuredInTurn(t *testing.T) {
	table, talk, cells, err := tiny(t, kfakeLine, "single1/100B/nosync", "-against", kfakeLine)
	if err != nil {
		t.Fatalf("%v\n%s", err, talk)
	}
	var got []string
	for _, c := range cells {
		got = append(got, c.Label)
		if (c.Label == "plain" || c.Label == "1 lock") != (c.RateToAgainst != nil && c.CostToAgainst != nil) {
			t.Errorf("%s: against the other server %v, %v", c.Label, c.RateToAgainst, c.CostToAgainst)
		}
	}
	if want := []string{"floor", "plain", "plain (against)", "1 lock", "1 lock (against)"}; !slices.Equal(got, want) {
		t.Errorf("measured %q, want %q", got, want)
	}
	if !strings.Contains(table, "rate x against") || !strings.Contains(table, "single1/100B/nosync 1 lock ") {
		t.Errorf("%s", table)
	}
}

func TestServerThatEndsIsNotedAndTheFloorStillMeasured(t *testing.T) {
	table, talk, cells, err := tiny(t, "{self} kfake -unknown", "single1/100B/nosync")
	if err == nil || !strings.Contains(err.Error(), "4 measurements failed") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(talk, "flag provided but not defined: -unknown") {
		t.Errorf("the server's own words are missing:\n%s", talk)
	}
	if len(cells) != 3 || cells[0].Runs != 2 || cells[1].Runs != 0 || cells[1].Error == "" {
		t.Errorf("%+v", cells)
	}
	if !strings.Contains(table, "failed: ") {
		t.Errorf("%s", table)
	}
}

func TestFloorAloneNeedsNoServer(t *testing.T) {
	_, talk, cells, err := tiny(t, "", "single20/100B/fsync")
	if err != nil || len(cells) != 1 {
		t.Errorf("%v, cells %+v\n%s", err, cells, talk)
	}
}

func TestMissingServerIsSaidBeforeAnythingIsMeasured(t *testing.T) {
	var stdout, stderr bytes.Buffer
	err := dispatch(context.Background(), []string{"-server", "bin/no-such-server serve"}, &stdout, &stderr)
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
}

func TestAimsNameWhatIsPlanned(t *testing.T) {
	planned := map[string]bool{}
	for _, w := range workloads(false) {
		if w.steps[0].label != labelFloor {
			t.Errorf("%s does not begin with the floor", w.id)
		}
		for _, s := range w.steps {
			key := w.id + " " + s.label
			if planned[key] {
				t.Errorf("%s is planned twice", key)
			}
			planned[key] = true
		}
	}
	for _, a := range aims {
		for _, id := range a.workloads {
			if !planned[id+" "+a.label] || !planned[id+" "+a.base] {
				t.Errorf("aim %q: %s is not planned", a.text, id)
			}
		}
	}
}

func TestRoundGoesThereAndBack(t *testing.T) {
	var order []string
	for _, s := range thereAndBack([]step{{label: "a"}, {label: "b"}, {label: "c"}}) {
		order = append(order, s.label)
	}
	if got := strings.Join(order, ""); got != "abccba" {
		t.Error(got)
	}
}

func TestAimIsDecidedOnlyWhenAllRatiosAgree(t *testing.T) {
	for _, c := range []struct {
		atMost   bool
		min, max float64
		want     string
	}{
		{true, 1.2, 1.9, "met"}, {true, 1.9, 2, "met"}, {true, 1.9, 2.1, "open"}, {true, 2.1, 3, "missed"},
		{false, 2, 2.5, "met"}, {false, 1.9, 2.1, "open"}, {false, 0.1, 0.2, "missed"},
	} {
		a := aim{atMost: c.atMost, goal: 2}
		if got := a.verdict(spread{Min: c.min, Max: c.max}); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestSpreadIsMedianAndExtent(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want string
	}{
		{nil, "-"}, {[]float64{2}, "2.00 [2.00-2.00]"}, {[]float64{3, 1, 2}, "2.00 [1.00-3.00]"}, {[]float64{4, 1, 2, 3}, "2.50 [1.00-4.00]"},
	} {
		if got := fmt.Sprint(maybe(newSpread(c.in))); got != c.want {
			t.Errorf("%v: %s, want %s", c.in, got, c.want)
		}
	}
}
