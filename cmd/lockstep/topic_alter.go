package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func newTopicAlter(s *streams) *cobra.Command {
	t := &topicCommand{s: s}
	a := &alteration{}
	return a.flags(t.flags(&cobra.Command{
		Use:     "alter NAME...",
		Short:   "Change settings of topics",
		Example: "  lockstep topic alter accounts --config retention.ms=86400000 --unset segment.bytes",
		Args:    arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			changes, err := a.changes(cmd)
			if err != nil {
				return err
			}
			return t.with(cmd, func(ctx context.Context, adm *kadm.Client) error {
				return t.alter(ctx, adm, names, changes)
			})
		},
	}))
}

func (t *topicCommand) alter(ctx context.Context, adm *kadm.Client, names []string, changes []kadm.AlterConfig) error {
	answers, err := adm.AlterTopicConfigs(ctx, changes, names...)
	if err != nil {
		return err
	}
	errs := map[string]error{}
	for _, a := range answers {
		errs[a.Name] = reason(a.Err, a.ErrMessage)
	}
	return t.printOutcomes("altered", names, errs)
}
