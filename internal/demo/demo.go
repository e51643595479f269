package demo

import (
	"github.com/spf13/cobra"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

// New is the command demo.
func New(s *command.Streams) *cobra.Command {
	return command.Group("demo", "Show what conditional appends are for", newDemoBank(s), newDemoTeller(s))
}
