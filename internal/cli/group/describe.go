package group

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/internal/cli/command"
	"github.com/lockstep-log/lockstep/protocol"
)

// describedGroup is a group and how far it is behind: in all first, then by
// topic, then by partition.
type describedGroup struct {
	Group       string              `json:"group" yaml:"group"`
	State       string              `json:"state" yaml:"state"`
	Protocol    string              `json:"protocol" yaml:"protocol"`
	Coordinator int32               `json:"coordinator" yaml:"coordinator"`
	Lag         int64               `json:"lag" yaml:"lag"`
	Topics      []groupTopicLag     `json:"topics" yaml:"topics"`
	Partitions  []groupPartitionLag `json:"partitions" yaml:"partitions"`
	Members     []groupMember       `json:"members" yaml:"members"`
	Configs     []command.Setting   `json:"configs,omitempty" yaml:"configs,omitempty"` // that the group has of its own
}

type groupTopicLag struct {
	Topic string `json:"topic" yaml:"topic"`
	Lag   int64  `json:"lag" yaml:"lag"`
}

// groupPartitionLag has -1 for what there is none of: an offset that was never
// committed, a lag that cannot be told.
type groupPartitionLag struct {
	Topic     string `json:"topic" yaml:"topic"`
	Partition int32  `json:"partition" yaml:"partition"`
	Committed int64  `json:"committed" yaml:"committed"`
	End       int64  `json:"end" yaml:"end"`
	Lag       int64  `json:"lag" yaml:"lag"`
	Member    string `json:"member" yaml:"member"`
}

type groupMember struct {
	Member     string `json:"member" yaml:"member"`
	Instance   string `json:"instance,omitempty" yaml:"instance,omitempty"`
	Client     string `json:"client" yaml:"client"`
	Host       string `json:"host" yaml:"host"`
	Partitions int    `json:"partitions" yaml:"partitions"`
}

func newGroupDescribe(s *command.Streams) *cobra.Command {
	g := newGroupCommand(s)
	return g.Flags(&cobra.Command{
		Use:   "describe NAME...",
		Short: "Show the lag, the offsets and the members of groups",
		Args:  command.Arguments(1, -1, "group names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			return g.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error { return g.describe(ctx, cl, names) })
		},
	})
}

func (g *groupCommand) describe(ctx context.Context, cl *kgo.Client, names []string) error {
	adm := g.Cluster.AdminOf(cl)
	lags, err := adm.Lag(ctx, names...)
	if err != nil {
		return err
	}
	configs, err := groupConfigs(ctx, cl, names)
	if err != nil {
		return err
	}
	described := []describedGroup{}
	for _, l := range lags.Sorted() {
		err := l.Error()
		if errors.Is(err, kerr.GroupIDNotFound) || l.State == "Dead" {
			d, err := describeConsumer(ctx, adm, l.Group)
			if err != nil {
				return err
			}
			described = append(described, d)
			continue
		}
		if err != nil {
			return groupError(l.Group, err)
		}
		described = append(described, describeGroup(l))
	}
	for i := range described {
		described[i].Configs = configs[described[i].Group]
	}
	return g.Format.Render(g.Streams.Out, described, func(w io.Writer) {
		for i, d := range described {
			if i > 0 {
				fmt.Fprintln(w)
			}
			d.print(w)
		}
	})
}

func describeGroup(l kadm.DescribedGroupLag) describedGroup {
	d := describedGroup{
		Group: l.Group, State: l.State, Protocol: l.Protocol, Coordinator: l.Coordinator.NodeID, Lag: l.Lag.Total(),
		Topics: []groupTopicLag{}, Partitions: []groupPartitionLag{}, Members: []groupMember{},
	}
	for _, t := range l.Lag.TotalByTopic().Sorted() {
		d.Topics = append(d.Topics, groupTopicLag{t.Topic, t.Lag})
	}
	held := map[string]int{}
	for _, p := range l.Lag.Sorted() {
		one := groupPartitionLag{Topic: p.Topic, Partition: p.Partition, Committed: p.Commit.At, End: p.End.Offset,
			Lag: p.Lag}
		if p.Member != nil {
			one.Member = p.Member.MemberID
			held[one.Member]++
		}
		d.Partitions = append(d.Partitions, one)
	}
	for _, m := range l.Members {
		one := groupMember{Member: m.MemberID, Client: m.ClientID, Host: m.ClientHost, Partitions: held[m.MemberID]}
		if m.InstanceID != nil {
			one.Instance = *m.InstanceID
		}
		d.Members = append(d.Members, one)
	}
	return d
}

func (d describedGroup) print(w io.Writer) {
	fmt.Fprintf(w, "GROUP %s  LAG %d  STATE %s  MEMBERS %d  COORDINATOR %d\n", protocol.Printable(d.Group), d.Lag,
		d.State, len(d.Members), d.Coordinator)
	if len(d.Topics) > 0 {
		fmt.Fprintln(w)
		command.Row(w, "TOPIC", "LAG")
		for _, t := range d.Topics {
			command.Row(w, t.Topic, t.Lag)
		}
		fmt.Fprintln(w)
		command.Row(w, "TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER")
		for _, p := range d.Partitions {
			command.Row(w, p.Topic, p.Partition, command.NumberOrDash(p.Committed), command.NumberOrDash(p.End),
				command.NumberOrDash(p.Lag), command.OrDash(p.Member))
		}
	}
	if len(d.Members) > 0 {
		fmt.Fprintln(w)
		command.Row(w, "MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS")
		for _, m := range d.Members {
			command.Row(w, m.Member, command.OrDash(m.Instance), command.OrDash(m.Client), m.Host, m.Partitions)
		}
	}
	if len(d.Configs) > 0 {
		fmt.Fprintln(w)
		command.Row(w, "SETTING", "VALUE", "SOURCE")
		for _, c := range d.Configs {
			command.Row(w, c.Key, c.Value, c.Source)
		}
	}
}
