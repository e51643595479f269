package demo

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// bankScreen shows how the demo goes: on a terminal one table that is drawn
// again in its place, elsewhere a line now and then.
type bankScreen struct {
	w     io.Writer
	tty   bool
	drawn int // lines of the table that stands there
	began time.Time
	last  time.Time
	seen  map[string]int64 // commits by process, at last
}

func newBankScreen(w io.Writer, tty bool) *bankScreen {
	return &bankScreen{w: w, tty: tty, began: time.Now(), last: time.Now(), seen: map[string]int64{}}
}

func (b *bankScreen) every() time.Duration {
	if b.tty {
		return refreshEvery
	}
	return lineEvery
}

// ANSI: to the start of the line n lines up; erase to the end of the screen.
const (
	ansiUp    = "\x1b[%dF"
	ansiErase = "\x1b[J"
)

func (b *bankScreen) show(rows []tellerRow, now time.Time) {
	rate := func(key string, commits int64) float64 {
		d := float64(commits-b.seen[key]) / now.Sub(b.last).Seconds()
		b.seen[key] = commits
		return max(d, 0)
	}
	all := tellerRow{Process: "all", Basis: -1}
	var text bytes.Buffer
	tw := tabwriter.NewWriter(&text, 6, 8, 2, ' ', tabwriter.AlignRight)
	command.Row(tw, "process", "commits/s", "commits", "refusals", "re-runs", "killed", "offset", "total", "")
	for _, r := range rows {
		all.Commits, all.Refusals, all.Reruns, all.Killed = all.Commits+r.Commits, all.Refusals+r.Refusals,
			all.Reruns+r.Reruns, all.Killed+r.Killed
		if r.Basis >= all.Basis {
			all.Basis, all.Total, all.Supply = r.Basis, r.Total, r.Supply
		}
		b.line(tw, r, rate(r.Process, r.Commits))
	}
	perSecond := rate(all.Process, all.Commits)
	b.last = now
	if !b.tty {
		fmt.Fprintf(b.w, "%4.0f s  %6.0f commits/s  %8d commits  %7d refusals  %7d re-runs  %3d killed  total %d of %d\n",
			now.Sub(b.began).Seconds(), perSecond, all.Commits, all.Refusals, all.Reruns, all.Killed, all.Total, all.Supply)
		return
	}
	b.line(tw, all, perSecond)
	tw.Flush()
	if b.drawn > 0 {
		fmt.Fprintf(b.w, ansiUp+ansiErase, b.drawn)
	}
	b.drawn = bytes.Count(text.Bytes(), []byte("\n"))
	b.w.Write(text.Bytes())
}

func (b *bankScreen) line(w io.Writer, r tellerRow, perSecond float64) {
	total := "starting"
	if r.Basis >= 0 {
		total = fmt.Sprint(r.Total)
		if r.Total != r.Supply {
			total += fmt.Sprintf(" INSTEAD OF %d", r.Supply)
		}
	}
	command.Row(w, r.Process, fmt.Sprintf("%.0f", perSecond), r.Commits, r.Refusals, r.Reruns, r.Killed, max(r.Basis, 0),
		total, "")
}
