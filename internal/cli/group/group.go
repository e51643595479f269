package group

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// New is the command group.
func New(s *command.Streams) *cobra.Command {
	return command.Group("group", "List, show, change, delete and reset consumer groups",
		newGroupList(s), newGroupDescribe(s), newGroupAlter(s), newGroupDelete(s), newGroupReset(s))
}

// groupCommand is what the commands on groups share: no more than those on
// topics do.
type groupCommand struct{ command.Kafka }

func newGroupCommand(s *command.Streams) *groupCommand {
	return &groupCommand{command.Kafka{Streams: s}}
}

// groupOutcome is what became of one group.
type groupOutcome struct {
	Group  string `json:"group" yaml:"group"`
	Status string `json:"status" yaml:"status"`
	Error  string `json:"error,omitempty" yaml:"error,omitempty"`
}

// printOutcomes prints what was done as the result and what was not on standard error,
// and fails if anything was not.
func (g *groupCommand) printOutcomes(done string, names []string, errs map[string]error) error {
	var failed error
	outcomes := make([]groupOutcome, len(names))
	for i, name := range names {
		outcomes[i] = groupOutcome{Group: name, Status: done}
		if err := errs[name]; err != nil {
			outcomes[i].Status, outcomes[i].Error = "failed", err.Error()
			fmt.Fprintf(g.Streams.Err, "lockstep: %s\n", command.Printable(err))
			failed = command.ErrNegative
		}
	}
	err := g.Format.Render(g.Streams.Out, outcomes, func(w io.Writer) {
		for _, o := range outcomes {
			if o.Error == "" {
				fmt.Fprintf(w, "%s %s\n", done, protocol.Printable(o.Group))
			}
		}
	})
	return errors.Join(err, failed)
}

// groupError names the group that a code is about.
func groupError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.GroupIDNotFound):
		return fmt.Errorf("group %q does not exist", name)
	case errors.Is(err, kerr.NonEmptyGroup):
		return fmt.Errorf("group %q has members; stop them first", name)
	}
	return fmt.Errorf("group %q: %w", name, err)
}
