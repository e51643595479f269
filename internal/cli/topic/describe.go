package topic

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

type describedTopic struct {
	Topic      string               `json:"topic" yaml:"topic"`
	ID         string               `json:"id" yaml:"id"`
	Partitions []describedPartition `json:"partitions" yaml:"partitions"`
	Configs    []command.Setting    `json:"configs" yaml:"configs"`
}

type describedPartition struct {
	Partition     int32   `json:"partition" yaml:"partition"`
	Leader        int32   `json:"leader" yaml:"leader"`
	LeaderEpoch   int32   `json:"leader_epoch" yaml:"leader_epoch"`
	Replicas      []int32 `json:"replicas" yaml:"replicas"`
	ISR           []int32 `json:"isr" yaml:"isr"`
	LogStart      int64   `json:"log_start_offset" yaml:"log_start_offset"`
	HighWatermark int64   `json:"high_watermark" yaml:"high_watermark"`
}

func newTopicDescribe(s *command.Streams) *cobra.Command {
	t := newTopicCommand(s)
	return t.Flags(&cobra.Command{
		Use:   "describe NAME...",
		Short: "Show the partitions and settings of topics",
		Args:  command.Arguments(1, -1, "topic names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return t.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error {
				defer command.NoteStale(ctx, t.Streams.Err, cl)
				return t.describe(ctx, t.Cluster.AdminOf(cl), names)
			})
		},
	})
}

func (t *topicCommand) describe(ctx context.Context, adm *kadm.Client, names []string) error {
	details, err := adm.ListTopicsWithInternal(ctx, names...)
	if err != nil {
		return err
	}
	described := []describedTopic{}
	for _, d := range details.Sorted() {
		one, err := describeTopic(ctx, adm, d)
		if err != nil {
			return err
		}
		described = append(described, one)
	}
	return t.Format.Render(t.Streams.Out, described, func(w io.Writer) {
		for i, d := range described {
			if i > 0 {
				fmt.Fprintln(w)
			}
			d.print(w)
		}
	})
}

func describeTopic(ctx context.Context, adm *kadm.Client, d kadm.TopicDetail) (describedTopic, error) {
	if d.Err != nil {
		return describedTopic{}, command.TopicError(d.Topic, d.Err)
	}
	starts, err := adm.ListStartOffsets(ctx, d.Topic)
	if err != nil {
		return describedTopic{}, err
	}
	ends, err := adm.ListEndOffsets(ctx, d.Topic)
	if err != nil {
		return describedTopic{}, err
	}
	configs, err := topicConfigs(ctx, adm, d.Topic)
	if err != nil {
		return describedTopic{}, err
	}
	one := describedTopic{Topic: d.Topic, ID: protocol.TopicID(d.ID).String(), Partitions: []describedPartition{},
		Configs: configs}
	for _, p := range d.Partitions.Sorted() {
		one.Partitions = append(one.Partitions, describedPartition{
			p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR,
			offsetOf(starts, d.Topic, p.Partition), offsetOf(ends, d.Topic, p.Partition),
		})
	}
	return one, nil
}

// offsetOf is -1 where the leader did not answer.
func offsetOf(l kadm.ListedOffsets, topic string, partition int32) int64 {
	o, ok := l.Lookup(topic, partition)
	if !ok || o.Err != nil {
		return -1
	}
	return o.Offset
}

func topicConfigs(ctx context.Context, adm *kadm.Client, topic string) ([]command.Setting, error) {
	resources, err := adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	configs := []command.Setting{}
	for _, r := range resources {
		if r.Err != nil {
			return nil, command.BrokerError(r.Err, r.ErrMessage)
		}
		for _, c := range r.Configs {
			configs = append(configs, command.Setting{Key: c.Key, Value: c.MaybeValue(), Source: configSource(&c)})
		}
	}
	slices.SortFunc(configs, func(a, b command.Setting) int { return cmp.Compare(a.Key, b.Key) })
	return configs, nil
}

// carryTopics is the broker setting by which a topic's name gives it a policy.
const carryTopics = "conflict.carry.topics"

// configSource says who set a value: the topic itself, a pattern that its name
// matches, or a default.
func configSource(c *kadm.Config) string {
	if len(c.Synonyms) > 0 && c.Synonyms[0].Key == carryTopics {
		pattern := ""
		if v := c.Synonyms[0].Value; v != nil {
			pattern = " " + *v
		}
		return "pattern" + pattern
	}
	switch c.Source {
	case kmsg.ConfigSourceDynamicTopicConfig:
		return "topic"
	case kmsg.ConfigSourceDefaultConfig:
		return "default"
	}
	return "broker"
}

func (d describedTopic) print(w io.Writer) {
	fmt.Fprintf(w, "TOPIC %s  ID %s\n\n", d.Topic, d.ID)
	command.Row(w, "PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "LOG-START", "HIGH-WATERMARK")
	for _, p := range d.Partitions {
		command.Row(w, p.Partition, p.Leader, p.LeaderEpoch, command.IDList(p.Replicas), command.IDList(p.ISR), p.LogStart,
			p.HighWatermark)
	}
	fmt.Fprintln(w)
	command.Row(w, "SETTING", "VALUE", "SOURCE")
	for _, c := range d.Configs {
		command.Row(w, c.Key, c.Value, c.Source)
	}
}
