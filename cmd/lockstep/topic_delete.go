package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
)

func newTopicDelete(s *streams) *cobra.Command {
	t := &topicCommand{s: s}
	return t.flags(&cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete topics and everything in them",
		Args:    arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.with(cmd, func(ctx context.Context, adm *kadm.Client) error {
				answers, err := adm.DeleteTopics(ctx, names...)
				if err != nil {
					return err
				}
				errs := map[string]error{}
				for _, a := range answers {
					errs[a.Topic] = reason(a.Err, a.ErrMessage)
				}
				return t.printOutcomes("deleted", names, errs)
			})
		},
	})
}
