package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// foreignMax is the share above which a line's throughput is not to be trusted.
const foreignMax = 0.15

// print writes the table, the aims, and how to read them.
func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%d CPUs, %s, %s; %d measurements a line, %s or %d MiB each; %s in all\n",
		runtime.NumCPU(), runtime.GOARCH, runtime.Version(), 2*r.options.rounds, r.options.time, r.options.bytes>>20, r.took.Round(time.Second))
	fmt.Fprintf(w, "server: %s\n\n", r.options.server)
	fmt.Fprintf(w, "%-19s %11s %8s %9s %9s %9s %9s %8s %9s   %-18s %-18s %7s\n", "", "records/s", "MB/s",
		"p50", "p99", "p99.9", "CPU s/Mr", "CPU s/GB", "CPU us/rq", "rate x floor", "CPU x floor", "foreign")
	id := ""
	for _, c := range r.cells {
		if c.workload.id != id {
			id = c.workload.id
			fmt.Fprintf(w, "%s: %s\n", id, c.workload.note)
		}
		r.line(w, c)
	}
	r.printAgainst(w)
	r.printAims(w)
	fmt.Fprint(w, `
Ratios are the median over pairs of neighbouring measurements, with their extent. CPU is that of the server's process;
s/Mr is seconds a million records, s/GB a GB of batches as sent, locks included. Closed loops show the latency at that
concurrency; only "paced" shows what a client on a schedule would see. "foreign" is the largest share of the machine's
CPU that others used; above 15 % (*) trust only CPU figures. An aim is open when measurements lie on both sides of it.
`)
}

func (r *report) line(w io.Writer, c *cell) {
	if len(c.runs) == 0 {
		fmt.Fprintf(w, "  %-17s failed: %v\n", c.label, firstLine(c.err))
		return
	}
	f := r.figures(c)
	mark := " "
	if f.Foreign > foreignMax {
		mark = "*"
	}
	fmt.Fprintf(w, "  %-17s %11s %8.1f %9s %9s %9s %9.3f %8.3f %9.1f   %-18s %-18s %5.0f%%%s\n", c.label,
		thousands(f.RecordsPerSec), f.MBPerSec, latency(f.P50), latency(f.P99), latency(f.P999),
		f.CPUPerMillion, f.CPUPerGB, f.CPUPerRequest, f.RateToFloor, f.CostToFloor, 100*f.Foreign, mark)
	if c.err != nil {
		fmt.Fprintf(w, "  %-17s once failed: %s\n", "", firstLine(c.err))
	}
}

// printAgainst compares the two servers step by step. Above 1 the first is faster,
// and dearer.
func (r *report) printAgainst(w io.Writer) {
	if r.options.against == "" {
		return
	}
	fmt.Fprintf(w, "\nagainst: %s\n%-36s %-20s %-20s\n", r.options.against, "", "rate x against", "CPU x against")
	for _, c := range r.cells {
		if f := r.figures(c); f.RateToAgainst != nil {
			fmt.Fprintf(w, "  %-34s %-20s %-20s\n", f.Workload+" "+f.Label, f.RateToAgainst, f.CostToAgainst)
		}
	}
}

func (r *report) printAims(w io.Writer) {
	fmt.Fprintf(w, "\naims\n")
	text := ""
	for _, o := range r.aims() {
		if o.Aim != text {
			text = o.Aim
			sign := ">="
			if o.AtMost {
				sign = "<="
			}
			fmt.Fprintf(w, "%s: %s %g\n", text, sign, o.Goal)
		}
		fmt.Fprintf(w, "  %-24s %-18s %s\n", o.Workload, o.Measured, o.Verdict)
	}
}

// String is 1.23 [1.20-1.31], or a dash for what was not measured.
func (s *spread) String() string {
	if s == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f [%.2f-%.2f]", s.Median, s.Min, s.Max)
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// latency prints microseconds in the unit that suits.
func latency(us float64) string {
	switch {
	case us == 0:
		return "-"
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
