package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newVersion(s *command.Streams) *cobra.Command {
	var f command.Format
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version of this binary",
		Args:  command.Arguments(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			v := command.VersionOf(s.Version)
			return f.Render(s.Out, v, func(w io.Writer) {
				fmt.Fprintf(w, "lockstep %s, %s, %s\n", v.Version, v.Go, v.System)
			})
		},
	}
	f.Flag(cmd)
	return cmd
}
