package group

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newGroupDelete(s *command.Streams) *cobra.Command {
	g := newGroupCommand(s)
	return g.Flags(&cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete groups without members, and their offsets",
		Args:    command.Arguments(1, -1, "group names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return g.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				answers, err := adm.DeleteGroups(ctx, names...)
				if err != nil && len(answers) == 0 {
					return err
				}
				errs := map[string]error{}
				for _, a := range answers {
					errs[a.Group] = groupError(a.Group, a.Err)
				}
				return g.printOutcomes("deleted", names, errs)
			})
		},
	})
}
