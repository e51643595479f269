package group

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

type listedGroup struct {
	Group       string `json:"group" yaml:"group"`
	State       string `json:"state" yaml:"state"`
	Type        string `json:"type" yaml:"type"`
	Coordinator int32  `json:"coordinator" yaml:"coordinator"`
}

func newGroupList(s *command.Streams) *cobra.Command {
	g := newGroupCommand(s)
	var states []string
	cmd := g.Flags(&cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List consumer groups",
		Args:    command.Arguments(0, 0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			states, err := groupStatesNamed(states)
			if err != nil {
				return command.Usagef(cmd, "--state: %w", err)
			}
			return g.With(cmd, func(ctx context.Context, adm *kadm.Client) error { return g.list(ctx, adm, states) })
		},
	})
	cmd.Flags().StringSliceVar(&states, "state", nil, "list groups in these states only: `STATE,...`, such as Stable "+
		"or Empty")
	return cmd
}

// groupStates are those that a group may be in, of either protocol.
var groupStates = []string{"PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling", "Stable", "Empty",
	"Dead"}

// groupStatesNamed are states as brokers spell them.
func groupStatesNamed(names []string) ([]string, error) {
	var states []string
	for _, name := range names {
		at := slices.IndexFunc(groupStates, func(s string) bool { return strings.EqualFold(s, name) })
		if at < 0 {
			return nil, fmt.Errorf("%q is no state of a group; there are %s", name, strings.Join(groupStates, ", "))
		}
		states = append(states, groupStates[at])
	}
	return states, nil
}

func (g *groupCommand) list(ctx context.Context, adm *kadm.Client, states []string) error {
	groups, err := adm.ListGroups(ctx, states...)
	if err != nil {
		return err
	}
	list := []listedGroup{}
	for _, l := range groups.Sorted() {
		list = append(list, listedGroup{l.Group, l.State, l.ProtocolType, l.Coordinator})
	}
	return g.Format.Render(g.Streams.Out, list, func(w io.Writer) {
		command.Row(w, "GROUP", "STATE", "TYPE", "COORDINATOR")
		for _, l := range list {
			command.Row(w, l.Group, command.OrDash(l.State), command.OrDash(l.Type), l.Coordinator)
		}
	})
}
