package acl

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newRemove(s *command.Streams) *cobra.Command {
	a := newCommand(s)
	var all bool
	cmd := a.Flags(&cobra.Command{
		Use:     "remove",
		Aliases: []string{"rm", "delete"},
		Short:   "Remove the ACLs that the flags choose, and print them",
		Example: "  lockstep acl remove --topic orders --principal User:billing",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filters, err := a.filters(cmd)
			if err != nil {
				return err
			}
			if !filters[0].named && len(a.principals) == 0 && !all {
				return command.Usagef(cmd, "which? name a resource or --principal; --all removes every one")
			}
			return a.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error { return a.remove(ctx, cl, filters) })
		},
	})
	a.filterFlags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "remove every ACL that the other flags do not exclude")
	return cmd
}

func (a *aclCommand) remove(ctx context.Context, cl *kgo.Client, filters []filter) error {
	req := kmsg.NewPtrDeleteACLsRequest()
	for i := range filters {
		f := &filters[i]
		req.Filters = append(req.Filters, kmsg.DeleteACLsRequestFilter{
			ResourceType: f.kind, ResourceName: f.nameOrNil(), ResourcePatternType: f.pattern, Principal: f.principal, Host: f.host,
			Operation: f.operation, PermissionType: f.permission,
		})
	}
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	var removed []grant
	var failed error
	for _, r := range resp.Results {
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			fmt.Fprintf(a.Streams.Err, "lockstep: %s\n", command.Printable(command.BrokerError(err, command.OrEmpty(r.ErrorMessage))))
			failed = command.ErrNegative
		}
		for _, m := range r.MatchingACLs {
			removed = append(removed, grantOf(resource{m.ResourceType, m.ResourcePatternType, m.ResourceName}, m.Principal, m.Host, m.Operation, m.PermissionType))
		}
	}
	return errors.Join(a.print("removed", sorted(removed)), failed)
}
