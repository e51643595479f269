package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func newTopicCreate(s *streams) *cobra.Command {
	t := &topicCommand{s: s}
	var partitions int32
	var replicas int16
	var configs []string
	cmd := t.flags(&cobra.Command{
		Use:     "create NAME...",
		Short:   "Create topics",
		Example: "  lockstep topic create accounts -p 4 --config conflict.policy=required",
		Args:    arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			set, err := pairs(configs)
			if err != nil {
				return usagef(cmd, "--config: %w", err)
			}
			return t.with(cmd, func(ctx context.Context, adm *kadm.Client) error {
				return t.create(ctx, adm, names, partitions, replicas, set)
			})
		},
	})
	cmd.Flags().Int32VarP(&partitions, "partitions", "p", -1, "`PARTITIONS` of each topic; -1: as many as the broker sees fit")
	cmd.Flags().Int16VarP(&replicas, "replicas", "r", -1, "`REPLICAS` of each partition; -1: as many as the broker sees fit")
	cmd.Flags().StringArrayVarP(&configs, "config", "c", nil, "`KEY=VALUE` setting of the topic; may be repeated")
	return cmd
}

func (t *topicCommand) create(ctx context.Context, adm *kadm.Client, names []string, partitions int32, replicas int16, set map[string]string) error {
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
		errs[a.Topic] = reason(a.Err, a.ErrMessage)
	}
	return t.printOutcomes("created", names, errs)
}
