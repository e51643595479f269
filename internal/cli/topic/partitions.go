package topic

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// addPartitions is a topic add-partitions command.
type addPartitions struct {
	topicCommand
	count int
	force bool
}

func newTopicAddPartitions(s *command.Streams) *cobra.Command {
	a := &addPartitions{topicCommand: *newTopicCommand(s)}
	cmd := a.Flags(&cobra.Command{
		Use:   "add-partitions NAME...",
		Short: "Add partitions to topics",
		Long: "Add partitions to topics. Keys are spread anew over all partitions, and locks are per\n" +
			"partition: a writer that picks its partition by key would find none of its locks in\n" +
			"another one. A topic that holds locks, or has conflict.policy=required, is therefore\n" +
			"refused, unless by --force or by its setting conflict.add.partitions=allow.",
		Args: command.Arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			if a.count < 1 {
				return command.Usagef(cmd, "how many to add? give -n COUNT")
			}
			return a.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error {
				return a.addToTopics(ctx, cl, names)
			})
		},
	})
	cmd.Flags().IntVarP(&a.count, "num", "n", 0, "`COUNT` of partitions to add to each")
	cmd.Flags().BoolVar(&a.force, "force", false, "add them though the topic holds locks: no writer chooses its "+
		"partition by key")
	return cmd
}

func (a *addPartitions) addToTopics(ctx context.Context, cl *kgo.Client, names []string) error {
	topics, err := a.Cluster.AdminOf(cl).ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = int32(a.Cluster.Timeout.Milliseconds())
	errs := map[string]error{}
	for _, t := range topics {
		if t.Err != nil {
			errs[t.Topic] = command.TopicError(t.Topic, t.Err)
			continue
		}
		req.Topics = append(req.Topics, a.more(t.Topic, len(t.Partitions)))
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	for i := range resp.Topics {
		t := &resp.Topics[i]
		errs[t.Topic] = command.BrokerError(kerr.ErrorForCode(t.ErrorCode), command.OrEmpty(t.ErrorMessage))
	}
	return a.printOutcomes("added", names, errs)
}

// more asks for the partitions of one topic, which has some already.
func (a *addPartitions) more(topic string, have int) kmsg.CreatePartitionsRequestTopic {
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = topic, int32(have+a.count)
	if a.force {
		t.UnknownTags.Set(protocol.TagGrowth, []byte{byte(protocol.GrowthForced)})
	}
	return t
}
