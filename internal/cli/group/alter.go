package group

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newGroupAlter(s *command.Streams) *cobra.Command {
	g := newGroupCommand(s)
	a := &command.Alteration{}
	return a.Flags(g.Flags(&cobra.Command{
		Use:     "alter NAME...",
		Short:   "Change settings of groups of the consumer protocol, there or to come",
		Example: "  lockstep group alter billing --config consumer.session.timeout.ms=60000",
		Args:    command.Arguments(1, -1, "group names"),
		RunE: func(cmd *cobra.Command, names []string) error {
			changes, err := a.Changes(cmd)
			if err != nil {
				return err
			}
			return g.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error {
				known, err := describeGroupConfigs(ctx, cl, names)
				if err != nil {
					return err
				}
				for _, r := range known {
					if err := a.Unknown("group", func(name string) bool { return hasConfig(r, name) }); err != nil {
						return fmt.Errorf("group %q: %w", r.ResourceName, err)
					}
				}
				return g.alter(ctx, cl, names, changes)
			})
		},
	}))
}

// alter asks for the changes itself: kadm knows settings of topics and brokers.
func (g *groupCommand) alter(ctx context.Context, cl *kgo.Client, names []string, changes []kadm.AlterConfig) error {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	for _, name := range names {
		one := kmsg.NewIncrementalAlterConfigsRequestResource()
		one.ResourceType, one.ResourceName = kmsg.ConfigResourceTypeGroupConfig, name
		for _, c := range changes {
			op := kmsg.IncrementalAlterConfigOp(c.Op)
			one.Configs = append(one.Configs,
				kmsg.IncrementalAlterConfigsRequestResourceConfig{Name: c.Name, Op: op, Value: c.Value})
		}
		req.Resources = append(req.Resources, one)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	errs := map[string]error{}
	for _, r := range resp.Resources {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			errs[r.ResourceName] = fmt.Errorf("group %q: %w", r.ResourceName,
				command.BrokerError(err, command.OrEmpty(r.ErrorMessage)))
		}
	}
	return g.printOutcomes("altered", names, errs)
}

// groupConfigs are the settings that groups have of their own, by group. A
// cluster where groups have none is one without.
func groupConfigs(ctx context.Context, cl *kgo.Client, names []string) (map[string][]command.Setting, error) {
	resources, err := describeGroupConfigs(ctx, cl, names)
	if err != nil {
		return nil, err
	}
	own := map[string][]command.Setting{}
	for _, r := range resources {
		for _, c := range r.Configs {
			if c.Source == kmsg.ConfigSourceGroupConfig {
				own[r.ResourceName] = append(own[r.ResourceName],
					command.Setting{Key: c.Name, Value: command.OrEmpty(c.Value), Source: "group"})
			}
		}
	}
	return own, nil
}

// describeGroupConfigs are all settings that groups could have, with defaults.
func describeGroupConfigs(ctx context.Context, cl *kgo.Client,
	names []string) ([]kmsg.DescribeConfigsResponseResource, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	for _, name := range names {
		one := kmsg.NewDescribeConfigsRequestResource()
		one.ResourceType, one.ResourceName = kmsg.ConfigResourceTypeGroupConfig, name
		req.Resources = append(req.Resources, one)
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return nil, err
	}
	return resp.Resources, nil
}

func hasConfig(r kmsg.DescribeConfigsResponseResource, name string) bool {
	return slices.ContainsFunc(r.Configs,
		func(c kmsg.DescribeConfigsResponseResourceConfig) bool { return c.Name == name })
}
