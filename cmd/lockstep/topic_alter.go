package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func newTopicAlter(s *streams) *cobra.Command {
	t := &topicCommand{s: s}
	var set, unset []string
	cmd := t.flags(&cobra.Command{
		Use:     "alter NAME...",
		Short:   "Change settings of topics",
		Example: "  lockstep topic alter accounts --config retention.ms=86400000 --unset segment.bytes",
		Args:    arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			values, err := pairs(set)
			if err != nil {
				return usagef(cmd, "--config: %w", err)
			}
			if len(set)+len(unset) == 0 {
				return usagef(cmd, "nothing to change; give --config KEY=VALUE or --unset KEY")
			}
			return t.with(cmd, func(ctx context.Context, adm *kadm.Client) error {
				return t.alter(ctx, adm, names, values, unset)
			})
		},
	})
	cmd.Flags().StringArrayVarP(&set, "config", "c", nil, "`KEY=VALUE` to set; may be repeated")
	cmd.Flags().StringArrayVar(&unset, "unset", nil, "`KEY` to bring back to its default; may be repeated")
	return cmd
}

func (t *topicCommand) alter(ctx context.Context, adm *kadm.Client, names []string, set map[string]string, unset []string) error {
	var changes []kadm.AlterConfig
	for k, v := range set {
		changes = append(changes, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
	}
	for _, k := range unset {
		changes = append(changes, kadm.AlterConfig{Op: kadm.DeleteConfig, Name: k})
	}
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
