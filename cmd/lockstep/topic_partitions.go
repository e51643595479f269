package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func newTopicAddPartitions(s *streams) *cobra.Command {
	t := &topicCommand{s: s}
	var count int
	cmd := t.flags(&cobra.Command{
		Use:   "add-partitions NAME...",
		Short: "Add partitions to topics",
		Long: "Add partitions to topics. Keys are spread anew over all partitions, and locks are per\n" +
			"partition: a writer that picks its partition by key must be stopped first.",
		Args: arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			if count < 1 {
				return usagef(cmd, "how many to add? give -n COUNT")
			}
			return t.with(cmd, func(ctx context.Context, adm *kadm.Client) error {
				return t.addPartitions(ctx, adm, names, count)
			})
		},
	})
	cmd.Flags().IntVarP(&count, "num", "n", 0, "`COUNT` of partitions to add to each")
	return cmd
}

func (t *topicCommand) addPartitions(ctx context.Context, adm *kadm.Client, names []string, count int) error {
	answers, err := adm.CreatePartitions(ctx, count, names...)
	if err != nil {
		return err
	}
	errs := map[string]error{}
	for _, a := range answers {
		errs[a.Topic] = reason(a.Err, a.ErrMessage)
	}
	return t.printOutcomes("added", names, errs)
}
