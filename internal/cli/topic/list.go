package topic

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

type listedTopic struct {
	Topic      string `json:"topic" yaml:"topic"`
	Partitions int    `json:"partitions" yaml:"partitions"`
	Replicas   int    `json:"replicas" yaml:"replicas"`
}

func newTopicList(s *command.Streams) *cobra.Command {
	t := newTopicCommand(s)
	var internal bool
	cmd := t.Flags(&cobra.Command{
		Use:     "list [NAME...]",
		Aliases: []string{"ls"},
		Short:   "List topics",
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.With(cmd, func(ctx context.Context, adm *kadm.Client) error {
				return t.list(ctx, adm, internal, names)
			})
		},
	})
	cmd.Flags().BoolVarP(&internal, "internal", "i", false, "list the broker's own topics too")
	return cmd
}

func (t *topicCommand) list(ctx context.Context, adm *kadm.Client, internal bool, names []string) error {
	topics, err := adm.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return err
	}
	list := []listedTopic{}
	for _, d := range topics.Sorted() {
		if d.Err != nil {
			return command.TopicError(d.Topic, d.Err)
		}
		if d.IsInternal && !internal && !slices.Contains(names, d.Topic) {
			continue
		}
		list = append(list, listedTopic{d.Topic, len(d.Partitions), d.Partitions.NumReplicas()})
	}
	return t.Format.Render(t.Streams.Out, list, func(w io.Writer) {
		command.Row(w, "TOPIC", "PARTITIONS", "REPLICAS")
		for _, l := range list {
			command.Row(w, l.Topic, l.Partitions, l.Replicas)
		}
	})
}
