package topic

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newTopicCreate(s *command.Streams) *cobra.Command {
	t := newTopicCommand(s)
	var partitions int32
	var replicas int16
	var configs []string
	cmd := t.Flags(&cobra.Command{
		Use:     "create NAME...",
		Short:   "Create topics",
		Example: "  lockstep topic create accounts -p 4 --config conflict.policy=required",
		Args:    command.Arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			set, err := command.KeyValues(configs)
			if err != nil {
				return command.Usagef(cmd, "--config: %w", err)
			}
			return t.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				return t.create(ctx, adm, names, partitions, replicas, set)
			})
		},
	})
	cmd.Flags().Int32VarP(&partitions, "partitions", "p", -1, "`PARTITIONS` of each topic; -1: as many as the broker "+
		"sees fit")
	cmd.Flags().Int16VarP(&replicas, "replicas", "r", -1, "`REPLICAS` of each partition; -1: as many as the broker "+
		"sees fit")
	cmd.Flags().StringArrayVarP(&configs, "config", "c", nil, "`KEY=VALUE` setting of the topic; may be repeated")
	return cmd
}

func (t *topicCommand) create(ctx context.Context, adm *kadm.Client, names []string, partitions int32, replicas int16,
	set map[string]string) error {
	configs := map[string]*string{}
	for k, v := range set {
		configs[k] = &v
	}
	answers, err := adm.CreateTopics(ctx, partitions, replicas, configs, names...)
	if err != nil {
		return err
	}
	errs := map[string]error{}
	for _, a := range answers {
		errs[a.Topic] = command.BrokerError(a.Err, a.ErrMessage)
	}
	return t.printOutcomes("created", names, errs)
}
