package demo

import (
	"fmt"
	"io"
	"strings"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// bankVerdict is what the demo ends with.
type bankVerdict struct {
	Passed   bool        `json:"passed" yaml:"passed"`
	Topic    string      `json:"topic" yaml:"topic"`
	Seconds  float64     `json:"seconds" yaml:"seconds"`
	Basis    int64       `json:"basis" yaml:"basis"`
	Entries  int         `json:"entries" yaml:"entries"`
	Accounts int         `json:"accounts" yaml:"accounts"`
	Total    int         `json:"total" yaml:"total"`
	Supply   int         `json:"supply" yaml:"supply"`
	Commits  int64       `json:"commits" yaml:"commits"`
	Refusals int64       `json:"refusals" yaml:"refusals"`
	Reruns   int64       `json:"reruns" yaml:"reruns"`
	Killed   int         `json:"killed" yaml:"killed"`
	Acked    int         `json:"acked" yaml:"acked"`
	Lost     int         `json:"lost" yaml:"lost"` // acknowledged, and not in the log
	Wrong    int         `json:"wrong" yaml:"wrong"`
	Wrongs   []string    `json:"wrongs,omitempty" yaml:"wrongs,omitempty"`
	Equal    int         `json:"equal" yaml:"equal"` // processes whose ledger is that of the log
	Fleet    []tellerRow `json:"processes" yaml:"processes"`
	digest   string
}

// compareAcked holds what the writers were told against the log. Entries of one
// writer are numbered, and the ledger blames gaps and repeats.
func (v *bankVerdict) compareAcked(acked, last map[string]int) {
	for writer, n := range acked {
		v.Acked += n
		v.Lost += max(0, n-last[writer])
	}
}

// compareFleet holds the processes' ledgers against the log's.
func (v *bankVerdict) compareFleet(rows []tellerRow) {
	v.Fleet = rows
	for _, r := range rows {
		v.Commits, v.Refusals, v.Reruns, v.Killed = v.Commits+r.Commits, v.Refusals+r.Refusals, v.Reruns+r.Reruns,
			v.Killed+r.Killed
		if r.digest == v.digest {
			v.Equal++
		}
	}
	v.Passed = v.Wrong == 0 && v.Lost == 0 && v.Total == v.Supply && v.Equal == len(rows)
}

// text is the verdict for people.
func (v *bankVerdict) text(w io.Writer) {
	command.Row(w, "entries",
		fmt.Sprintf("%d in %.1f s, %.0f a second; %d refusals, %.2f re-runs a commit", v.Entries, v.Seconds,
			float64(v.Commits)/max(v.Seconds, 0.001), v.Refusals, float64(v.Reruns)/float64(max(v.Commits, 1))))
	command.Row(w, "total", fmt.Sprintf("%d of %d in %d accounts and in hands", v.Total, v.Supply, v.Accounts))
	command.Row(w, "acknowledged", fmt.Sprintf("%d, of which %d are not in the log", v.Acked, v.Lost))
	command.Row(w, "processes",
		fmt.Sprintf("%d of %d hold the log's ledger; %d were killed on the way", v.Equal, len(v.Fleet), v.Killed))
	command.Row(w, "wrong", v.Wrong)
	for _, text := range v.Wrongs {
		fmt.Fprintln(w, "  "+text)
	}
	command.Row(w, "verdict", strings.ToUpper(map[bool]string{true: "passed", false: "failed"}[v.Passed]))
}
