package topic

import (
	"context"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newTopicAlter(s *command.Streams) *cobra.Command {
	t := newTopicCommand(s)
	a := &command.Alteration{}
	return a.Flags(t.Flags(&cobra.Command{
		Use:     "alter NAME...",
		Short:   "Change settings of topics",
		Example: "  lockstep topic alter accounts --config retention.ms=86400000 --unset segment.bytes",
		Args:    command.Arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			changes, err := a.Changes(cmd)
			if err != nil {
				return err
			}
			return t.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				return t.alter(ctx, adm, names, a, changes)
			})
		},
	}))
}

func (t *topicCommand) alter(ctx context.Context, adm *kadm.Client, names []string, a *command.Alteration,
	changes []kadm.AlterConfig) error {
	errs, right, err := changeable(ctx, adm, a, names)
	if err != nil {
		return err
	}
	if len(right) == 0 {
		return t.printOutcomes("altered", names, errs)
	}
	answers, err := adm.AlterTopicConfigs(ctx, changes, right...)
	if err != nil {
		return err
	}
	for _, a := range answers {
		errs[a.Name] = command.BrokerError(a.Err, a.ErrMessage)
	}
	return t.printOutcomes("altered", names, errs)
}

// changeable separates the topics that the change fits from those that do not have what is
// to be unset.
func changeable(ctx context.Context, adm *kadm.Client, a *command.Alteration, names []string) (errs map[string]error,
	right []string, err error) {
	errs = map[string]error{}
	if len(a.Unset) == 0 {
		return errs, names, nil
	}
	resources, err := adm.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range resources {
		if r.Err == nil {
			r.Err = a.Unknown("topic", func(name string) bool {
				return slices.ContainsFunc(r.Configs, func(c kadm.Config) bool { return c.Key == name })
			})
		}
		if r.Err != nil {
			errs[r.Name] = command.BrokerError(r.Err, r.ErrMessage)
			continue
		}
		right = append(right, r.Name)
	}
	return errs, right, nil
}
