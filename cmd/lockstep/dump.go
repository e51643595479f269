package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
)

// dumpCommand decodes what a broker keeps on disk. It only reads.
type dumpCommand struct {
	s       *streams
	format  format
	records bool
	replay  bool
}

// replayLocks folds the log of a partition directory anew and compares the
// outcome with the lock table that is kept beside it.
var replayLocks func(d *dumpCommand, dir string) error

func newDump(s *streams) *cobra.Command {
	d := &dumpCommand{s: s}
	cmd := &cobra.Command{
		Use:   "dump PATH",
		Short: "Decode a segment, or compare a lock table with its log",
		Example: "  lockstep dump lockstep-data/.../00000000000000000000.log --records\n" +
			"  lockstep dump --replay lockstep-data/...",
		Args: arguments(1, 1, "a path"),
		RunE: func(_ *cobra.Command, args []string) error { return d.run(args[0]) },
	}
	cmd.Flags().BoolVar(&d.records, "records", false, "print the records in each batch, with their headers")
	cmd.Flags().BoolVar(&d.replay, "replay", false, "fold the log in the directory PATH anew and compare the lock table with it")
	d.format.flag(cmd)
	return cmd
}

func (d *dumpCommand) run(path string) error {
	if d.replay {
		if replayLocks == nil {
			return errors.New("this build cannot replay a lock table")
		}
		return replayLocks(d, path)
	}
	if filepath.Ext(path) != ".log" {
		return fmt.Errorf("%s is not a segment: its name does not end in .log", path)
	}
	return d.segment(path)
}
