package cli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// repairCommand makes a data directory usable in which logs are damaged or lack
// files.
type repairCommand struct {
	s      *command.Streams
	format command.Format
	dir    string
	dryRun bool
	own    bool
}

func newRepair(s *command.Streams) *cobra.Command {
	r := &repairCommand{s: s}
	cmd := &cobra.Command{
		Use:   "repair DIR",
		Short: "Let logs that are damaged, or lack files, end before their first gap",
		Long: "Read every batch of every log in the data directory DIR, of a broker that does not run. A log in\n" +
			"which a file is missing or a batch is damaged ends before that from then on, takes writes again, and\n" +
			"gives the offsets behind its new end a second time. What is left out is named, and put into\n" +
			"DIR/left-out; nothing is thrown away. Logs that are whole are left alone.\n\n" +
			"It is for a log of which there is no other copy: a single broker, or a copy that was made of a running\n" +
			"one. In a cluster it costs nothing that was acknowledged: when the broker starts after a log was cut, no\n" +
			"log of the directory counts whose partition others hold too, until it has caught up with them. A log\n" +
			"without a gap in a copy is just older, and nobody sees that. --original says that the directory is no\n" +
			"copy, and leaves the logs that are whole their place.\n\n" +
			"Exit code 0 if all is whole or repaired, 1 if not, or if --dry-run finds something to repair.",
		Example: "  lockstep repair --dry-run /var/lib/lockstep\n" +
			"  lockstep repair /var/lib/lockstep",
		Args: command.Arguments(0, 1, "a data directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				r.dir = args[0]
			}
			if r.dir == "" {
				return command.Usagef(cmd, "wants a data directory")
			}
			return r.repairDir()
		},
	}
	cmd.Flags().StringVar(&r.dir, "data-dir", "", "the same as `DIR`")
	cmd.Flags().BoolVar(&r.dryRun, "dry-run", false, "look, and change nothing")
	cmd.Flags().BoolVar(&r.own, "original", false, "the directory is the broker's own and no copy: logs that are whole "+
		"have all that they had")
	r.format.Flag(cmd)
	return cmd
}

// repairedLog is the outcome for one log.
type repairedLog struct {
	Partition string          `json:"partition" yaml:"partition"`
	State     string          `json:"state" yaml:"state"` // whole, damaged, repaired or failed
	Start     protocol.Offset `json:"start" yaml:"start"` // -1: not known
	End       protocol.Offset `json:"end" yaml:"end"`
	Lacks     int64           `json:"lacks" yaml:"lacks"` // offsets behind the end, at least
	LeftOut   []leftOut       `json:"left_out" yaml:"left_out"`
	Error     string          `json:"error,omitempty" yaml:"error,omitempty"`
}

// leftOut is a file, or the end of one.
type leftOut struct {
	File   string          `json:"file" yaml:"file"`
	From   int64           `json:"from_byte" yaml:"from_byte"`
	Bytes  int64           `json:"bytes" yaml:"bytes"`
	Offset protocol.Offset `json:"offset" yaml:"offset"`
	Why    string          `json:"why" yaml:"why"`
}

// repairResult is the outcome of all.
type repairResult struct {
	Logs  []repairedLog `json:"logs" yaml:"logs"`
	Locks string        `json:"lock_base" yaml:"lock_base"`                     // what was wrong with it; empty: nothing
	Aside string        `json:"put_aside,omitempty" yaml:"put_aside,omitempty"` // where
}

func (r *repairCommand) repairDir() error {
	found, err := partitions.Repair(vfs.Default,
		partitions.RepairOptions{DataDir: filepath.Clean(r.dir), DryRun: r.dryRun, Original: r.own, Now: time.Now()})
	if err != nil {
		return err
	}
	out := repairResult{Logs: []repairedLog{}}
	if found.Locks != nil {
		out.Locks, out.Aside = found.Locks.Error(), found.Aside
	}
	var failed error
	for _, l := range found.Logs {
		one := r.outcome(l)
		out.Logs = append(out.Logs, one)
		switch one.State {
		case "failed", "damaged":
			failed = command.ErrNegative
		case "repaired":
			if l.Whole.Aside() {
				out.Aside = found.Aside
			}
		}
	}
	return errors.Join(r.format.Render(r.s.Out, out, out.print), failed)
}

func (r *repairCommand) outcome(l partitions.RepairedLog) repairedLog {
	one := repairedLog{Partition: l.Name, State: "whole", Start: -1, End: -1, LeftOut: []leftOut{}}
	if w := l.Whole; w != nil {
		one.Start, one.End, one.Lacks = w.Start, w.End, int64(w.Known-w.End)
		for _, x := range w.LeftOut {
			one.LeftOut = append(one.LeftOut, leftOutOf(x))
		}
		switch {
		case !w.Right() && r.dryRun:
			one.State = "damaged"
		case !w.Right():
			one.State = "repaired"
		}
	}
	if l.Err != nil {
		one.State, one.Error = "failed", l.Err.Error()
	}
	return one
}

func leftOutOf(x segment.LeftOut) leftOut {
	return leftOut{File: x.File, From: x.Pos, Bytes: x.Bytes, Offset: x.First, Why: x.Why}
}

// print names what is not whole, and counts the rest.
func (r repairResult) print(w io.Writer) {
	whole := 0
	command.Row(w, "PARTITION", "STATE", "START", "END", "LACKS")
	for _, l := range r.Logs {
		if l.State == "whole" {
			whole++
			continue
		}
		lacks := "-"
		if l.Lacks > 0 {
			lacks = fmt.Sprintf("%d offsets or more", l.Lacks)
		}
		command.Row(w, l.Partition, l.State, command.NumberOrDash(int64(l.Start)), command.NumberOrDash(int64(l.End)), lacks)
	}
	command.Row(w, fmt.Sprintf("and %d that are whole", whole))
	for _, l := range r.Logs {
		if l.Error != "" {
			fmt.Fprintf(w, "%s: %s\n", l.Partition, protocol.Printable(l.Error))
		}
		for _, x := range l.LeftOut {
			fmt.Fprintf(w, "%s: left out from offset %d: %s, %d bytes from byte %d: %s\n", l.Partition, int64(x.Offset), x.File,
				x.Bytes, x.From, protocol.Printable(x.Why))
		}
	}
	if r.Locks != "" {
		fmt.Fprintf(w, "the lock base is made anew of the logs: %s\n", protocol.Printable(r.Locks))
	}
	if r.Aside != "" {
		fmt.Fprintf(w, "put aside: %s\n", r.Aside)
	}
}
