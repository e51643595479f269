package dump

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/segment"
)

// dumpCommand decodes what a broker keeps on disk.
type dumpCommand struct {
	s       *command.Streams
	format  command.Format
	records bool
	replay  bool
}

// New is the command dump.
func New(s *command.Streams) *cobra.Command {
	d := &dumpCommand{s: s}
	cmd := &cobra.Command{
		Use:   "dump PATH",
		Short: "Decode a file of a log or a lock table, or compare a lock table with its log",
		Long: "Decode what is on disk, of a broker that does not run: a segment, an index or another file of\n" +
			"a log, or the lock table of one partition's directory or of a whole data directory. With --replay each lock " +
			"table is\n" +
			"compared with a replay of its log; exit 1 if they differ. A directory is recovered first,\n" +
			"as a start of the broker would.",
		Example: "  lockstep dump lockstep-data/logs/accounts-0.*/00000000000000000000.log --records\n" +
			"  lockstep dump lockstep-data/logs/accounts-0.*\n" +
			"  lockstep dump --replay lockstep-data",
		Args: command.Arguments(1, 1, "a path"),
		RunE: func(_ *cobra.Command, args []string) error { return d.dumpPath(args[0]) },
	}
	cmd.Flags().BoolVar(&d.records, "records", false, "print the records in each batch, with their headers")
	cmd.Flags().BoolVar(&d.replay, "replay", false, "fold each log anew and compare the lock table with it")
	d.format.Flag(cmd)
	return cmd
}

func (d *dumpCommand) dumpPath(path string) error {
	stat, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case stat.IsDir():
		return d.locks(path)
	case d.replay:
		return fmt.Errorf("%s is a file; --replay takes a data directory or one partition's directory in it", path)
	}
	if filepath.Ext(path) == ".log" {
		return d.segment(path)
	}
	return segment.Dump(vfs.Default, path, d.s.Out)
}
