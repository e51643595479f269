package main

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// report is all cells of a run, in the order of the plan.
type report struct {
	options  options
	began    time.Time
	took     time.Duration
	cells    []*cell
	notes    map[string]string // of workloads
	skipped  []string          // workloads that there was no time for
	failures int
}

func newReport(o options) *report {
	return &report{options: o, began: time.Now(), notes: map[string]string{}}
}

func (r *report) finish() { r.took = time.Since(r.began) }

func (r *report) add(w workload, label string, m measurement, err error) {
	c := r.cell(ref{w.id, label})
	if c == nil {
		c = &cell{workload: w.id, label: label}
		r.cells = append(r.cells, c)
		r.notes[w.id] = w.note
	}
	if err != nil {
		c.err = cmp.Or(c.err, err)
		r.failures++
		return
	}
	c.runs = append(c.runs, m)
}

// cell is nil when nothing of that name was measured.
func (r *report) cell(at ref) *cell {
	for _, c := range r.cells {
		if c.workload == at.workload && c.label == at.label {
			return c
		}
	}
	return nil
}

// base is what the rates of a workload are compared with.
func (r *report) base(workload string) *cell {
	for _, label := range []string{labelNATS, labelPlain, labelNone} {
		if c := r.cell(ref{workload, label}); c != nil {
			return c
		}
	}
	return nil
}

// foreignMax is the share above which a line's throughput is not to be trusted.
const foreignMax = 0.15

// print writes the table, the aims, and how to read them.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%d CPUs, %s, %s; %d measurements a line, %s each; %s in all\n", runtime.NumCPU(), runtime.GOARCH, runtime.Version(),
		2*r.options.rounds, r.options.time, r.took.Round(time.Second))
	fmt.Fprintf(w, "%s beside NATS Server %s, client %s\n\n", r.options.lockstep,
		version("github.com/nats-io/nats-server/v2"), version("github.com/nats-io/nats.go"))
	fmt.Fprintf(w, "%-19s %11s %7s %9s %9s %9s %9s   %-22s %-18s %7s\n", "", "writes/s", "tries", "p50", "p99", "server",
		"client", "rate x base", "CPU x base", "foreign")
	id := ""
	for _, c := range r.cells {
		if c.workload != id {
			id = c.workload
			fmt.Fprintf(w, "%s: %s\n", id, r.notes[id])
		}
		r.line(w, c)
	}
	if len(r.skipped) > 0 {
		fmt.Fprintf(w, "no time for: %s\n", strings.Join(r.skipped, ", "))
	}
	r.printAims(w)
	fmt.Fprint(w, settings)
}

// settings says what was compared and under which settings.
const settings = `
Figures are medians; ratios are medians over pairs of neighbouring measurements, with their extent. The base is NATS, or in "own" plain
kgo, or no refusals. p50 and p99 run from the wish to write to the commit, tries and waits included. server and client are CPU time
a write of the server's process and of this one, and CPU x base compares their sum. foreign is the largest share of the machine's CPU that
others used; above 15 % (*) rates and latencies say little, and CPU most.

Both sides: one server process on loopback, one replica, files on one disk, no compression, values of 100 B, one load process, clients
with their own defaults; "nosync": nobody syncs (flush.messages at its maximum; sync_interval 2m), "fsync": before each acknowledgement
(flush.messages=1; sync_interval: always). NATS: a stream with all its messages kept and direct reads; hot: read the last message,
publish with the expected last sequence of the subject, again when refused, at once or after a random wait (200us doubling to 20ms);
async: PublishMsgAsync with 4,000 pending; fast batch: flow 1000, gaps allowed; atomic8: 8 batches at once on one connection. Lockstep: hot:
client.View; async: client.AppendAsync with 10,000 buffered; raw wire: encoded batches of 100, 2 connections x 5 in flight.
`

func (r *report) line(w io.Writer, c *cell) {
	if c.err != nil {
		text, _, _ := strings.Cut(c.err.Error(), "\n")
		fmt.Fprintf(w, "  %-17s failed: %s\n", c.label, text)
	}
	if len(c.runs) == 0 {
		return
	}
	text := func(figure func(measurement) float64, format func(float64) string) string {
		s, ok := c.spread(figure)
		if !ok {
			return "-"
		}
		return format(s.median)
	}
	base := r.base(c.workload)
	against := func(figure func(measurement) float64) string {
		if base == nil || base == c {
			return "-"
		}
		s, ok := c.versus(base, figure)
		if !ok {
			return "-"
		}
		return s.String()
	}
	foreign, _ := c.spread(func(m measurement) float64 { return m.foreign })
	mark := ""
	if foreign.most > foreignMax {
		mark = "*"
	}
	fmt.Fprintf(w, "  %-17s %11s %7s %9s %9s %9s %9s   %-22s %-18s %6.0f%%%s\n", c.label, text(rate, thousands), text(tries, twoDigits),
		text(p50, micros), text(p99, micros), text(cost, micros), text(load, micros), against(rate), against(whole), 100*foreign.most, mark)
}

func (r *report) printAims(w io.Writer) {
	fmt.Fprintf(w, "\naims\n")
	for _, a := range aims {
		sign := ">="
		if a.atMost {
			sign = "<="
		}
		figure, verdict := "-", "not measured"
		if s, ok := a.measured(r); ok {
			figure, verdict = s.String(), a.verdict(s)
		}
		fmt.Fprintf(w, "  %-50s %s %-5g %-24s %s\n", a.text, sign, a.goal, figure, verdict)
	}
}

// String is 1.23 [1.20-1.31].
func (s spread) String() string {
	return fmt.Sprintf("%.2f [%.2f-%.2f]", s.median, s.least, s.most)
}

func twoDigits(v float64) string { return fmt.Sprintf("%.2f", v) }

// micros prints microseconds in the unit that suits.
func micros(us float64) string {
	switch {
	case us < 10:
		return fmt.Sprintf("%.2fus", us)
	case us < 1000:
		return fmt.Sprintf("%.0fus", us)
	case us < 1e6:
		return fmt.Sprintf("%.2fms", us/1e3)
	}
	return fmt.Sprintf("%.2fs", us/1e6)
}

// thousands prints 1,234,567.
func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// version is that of a module in this binary.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "?"
	}
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return "?"
}
