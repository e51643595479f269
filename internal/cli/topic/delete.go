package topic

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newTopicDelete(s *command.Streams) *cobra.Command {
	t := newTopicCommand(s)
	return t.Flags(&cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete topics and everything in them",
		Args:    command.Arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				answers, err := adm.DeleteTopics(ctx, names...)
				if err != nil {
					return err
				}
				errs := map[string]error{}
				for _, a := range answers {
					errs[a.Topic] = command.BrokerError(a.Err, a.ErrMessage)
				}
				return t.printOutcomes("deleted", names, errs)
			})
		},
	})
}
