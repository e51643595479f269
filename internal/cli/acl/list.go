package acl

import (
	"cmp"
	"context"
	"slices"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newList(s *command.Streams) *cobra.Command {
	a := newCommand(s)
	cmd := a.Flags(&cobra.Command{
		Use:     "list",
		Short:   "List ACLs, all or those that the flags choose",
		Example: "  lockstep acl list --topic orders --pattern match\n  lockstep acl list --principal User:billing",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filters, err := a.filters(cmd)
			if err != nil {
				return err
			}
			return a.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error {
				grants, err := list(ctx, cl, filters)
				if err != nil {
					return err
				}
				return a.print("", grants)
			})
		},
	})
	a.filterFlags(cmd)
	return cmd
}

func (a *aclCommand) filterFlags(cmd *cobra.Command) {
	a.flags(cmd, "any, match (all that hold for the name), literal or prefixed")
	cmd.Flags().StringArrayVar(&a.principals, "principal", nil, "of whom, `KIND:NAME` as in User:bob")
	cmd.Flags().StringArrayVar(&a.hosts, "host", nil, "from which `ADDRESS`")
}

// filter chooses ACLs, in Kafka's terms. Locks are chosen by their own type alone.
type filter struct {
	resource
	named      bool
	principal  *string
	host       *string
	operation  kmsg.ACLOperation
	permission kmsg.ACLPermissionType
}

// filters are those that the flags name; without any, all ACLs and all on locks.
func (a *aclCommand) filters(cmd *cobra.Command) ([]filter, error) {
	const any = kmsg.ACLResourcePatternTypeAny
	resources, err := a.resources(cmd, any, kmsg.ACLResourcePatternTypeMatch, kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLResourcePatternTypePrefixed)
	if err != nil {
		return nil, err
	}
	named := len(resources) > 0
	if !named {
		resources = []resource{{kmsg.ACLResourceTypeAny, any, ""}, {typeLock, any, ""}}
	}
	ops, err := a.ops(cmd)
	if err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		ops = []kmsg.ACLOperation{kmsg.ACLOperationAny}
	}
	var all []filter
	for _, r := range resources {
		for _, op := range ops {
			for _, principal := range orAny(a.principals) {
				for _, host := range orAny(a.hosts) {
					all = append(all, filter{r, named, principal, host, op, kmsg.ACLPermissionTypeAny})
				}
			}
		}
	}
	return all, nil
}

func orAny(list []string) (all []*string) {
	for i := range list {
		all = append(all, &list[i])
	}
	if all == nil {
		all = []*string{nil}
	}
	return all
}

func (f *filter) nameOrNil() *string {
	if !f.named {
		return nil
	}
	return &f.name
}

// list asks for each filter. What two of them choose is told once.
func list(ctx context.Context, cl *kgo.Client, filters []filter) ([]grant, error) {
	var all []grant
	for i := range filters {
		f := &filters[i]
		req := kmsg.NewPtrDescribeACLsRequest()
		req.ResourceType, req.ResourceName, req.ResourcePatternType = f.kind, f.nameOrNil(), f.pattern
		req.Principal, req.Host, req.Operation, req.PermissionType = f.principal, f.host, f.operation, f.permission
		resp, err := req.RequestWith(ctx, cl)
		if err == nil {
			err = command.BrokerError(kerr.ErrorForCode(resp.ErrorCode), command.OrEmpty(resp.ErrorMessage))
		}
		if err != nil {
			return nil, err
		}
		for _, r := range resp.Resources {
			for _, g := range r.ACLs {
				all = append(all, grantOf(resource{r.ResourceType, r.ResourcePatternType, r.ResourceName}, g.Principal, g.Host, g.Operation, g.PermissionType))
			}
		}
	}
	return sorted(all), nil
}

func sorted(all []grant) []grant {
	slices.SortFunc(all, func(a, b grant) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Pattern, b.Pattern),
			cmp.Compare(a.Principal, b.Principal), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Permission, b.Permission))
	})
	return slices.Compact(all)
}
