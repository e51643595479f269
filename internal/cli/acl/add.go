package acl

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

func newAdd(s *command.Streams) *cobra.Command {
	a := newCommand(s)
	var denied []string
	var producer, consumer bool
	cmd := a.Flags(&cobra.Command{
		Use:   "add",
		Short: "Allow or deny principals operations on resources",
		Example: "  lockstep acl add --allow-principal User:billing --producer --topic orders\n" +
			"  lockstep acl add --allow-principal User:billing --consumer --topic orders --group billing\n" +
			"  lockstep acl add --allow-principal User:billing --operation write --lock acct:",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := a.creations(cmd, denied, producer, consumer)
			if err != nil {
				return err
			}
			return a.Connected(cmd, func(ctx context.Context, cl *kgo.Client) error { return a.add(ctx, cl, req) })
		},
	})
	a.flags(cmd, "literal or prefixed")
	cmd.Flags().StringArrayVar(&a.principals, "allow-principal", nil, "who is allowed, `KIND:NAME` as in User:bob; User:* is everybody")
	cmd.Flags().StringArrayVar(&denied, "deny-principal", nil, "who is denied, `KIND:NAME`; that wins over what is allowed")
	cmd.Flags().StringArrayVar(&a.hosts, "host", nil, "from which `ADDRESS` (default: from everywhere)")
	cmd.Flags().BoolVar(&producer, "producer", false, "all that a producer needs of --topic and --transactional-id")
	cmd.Flags().BoolVar(&consumer, "consumer", false, "all that a consumer needs of --topic and --group")
	return cmd
}

// creations is the request that the flags ask for.
func (a *aclCommand) creations(cmd *cobra.Command, denied []string, producer, consumer bool) (*kmsg.CreateACLsRequest, error) {
	resources, err := a.resources(cmd, kmsg.ACLResourcePatternTypeLiteral, kmsg.ACLResourcePatternTypePrefixed)
	if err != nil {
		return nil, err
	}
	ops, err := a.ops(cmd)
	switch {
	case err != nil:
		return nil, err
	case len(resources) == 0:
		return nil, command.Usagef(cmd, "of what? give --topic, --group, --transactional-id, --cluster or --lock")
	case len(a.principals)+len(denied) == 0:
		return nil, command.Usagef(cmd, "who? give --allow-principal or --deny-principal")
	case (producer || consumer) && len(ops) > 0:
		return nil, command.Usagef(cmd, "--operation and --producer or --consumer exclude each other")
	}
	hosts := a.hosts
	if len(hosts) == 0 {
		hosts = []string{"*"}
	}
	req := kmsg.NewPtrCreateACLsRequest()
	for _, r := range resources {
		of := ops
		if producer || consumer {
			if of = needed(r.kind, producer, consumer); len(of) == 0 {
				return nil, command.Usagef(cmd, "a producer or consumer needs nothing of a %s", typeName(r.kind))
			}
		} else if len(of) == 0 {
			of = []kmsg.ACLOperation{kmsg.ACLOperationAll}
		}
		for _, op := range of {
			for _, host := range hosts {
				addAll(req, r, op, host, a.principals, kmsg.ACLPermissionTypeAllow)
				addAll(req, r, op, host, denied, kmsg.ACLPermissionTypeDeny)
			}
		}
	}
	for i := range req.Creations {
		if p := req.Creations[i].Principal; !strings.Contains(p, ":") {
			return nil, command.Usagef(cmd, "principal %q: want KIND:NAME, as in User:%s", p, p)
		}
	}
	return req, nil
}

func addAll(req *kmsg.CreateACLsRequest, r resource, op kmsg.ACLOperation, host string, principals []string, permission kmsg.ACLPermissionType) {
	for _, principal := range principals {
		req.Creations = append(req.Creations, kmsg.CreateACLsRequestCreation{
			ResourceType: r.kind, ResourceName: r.name, ResourcePatternType: r.pattern, Principal: principal, Host: host, Operation: op, PermissionType: permission,
		})
	}
}

// needed is what kafka-acls gives a producer or a consumer of a type of resources.
func needed(kind kmsg.ACLResourceType, producer, consumer bool) (ops []kmsg.ACLOperation) {
	add := func(yes bool, of ...kmsg.ACLOperation) {
		if yes {
			ops = append(ops, of...)
		}
	}
	switch kind {
	case kmsg.ACLResourceTypeTopic:
		add(producer, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate)
		add(consumer, kmsg.ACLOperationRead)
		add(true, kmsg.ACLOperationDescribe)
	case kmsg.ACLResourceTypeTransactionalId:
		add(producer, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)
	case kmsg.ACLResourceTypeGroup:
		add(consumer, kmsg.ACLOperationRead)
	case typeLock:
		add(producer, kmsg.ACLOperationWrite)
	}
	return ops
}

func (a *aclCommand) add(ctx context.Context, cl *kgo.Client, req *kmsg.CreateACLsRequest) error {
	resp, err := req.RequestWith(ctx, cl)
	if err != nil {
		return err
	}
	if len(resp.Results) != len(req.Creations) {
		return fmt.Errorf("the broker answered %d of %d ACLs", len(resp.Results), len(req.Creations))
	}
	var added []grant
	var failed error
	for i, r := range resp.Results {
		c := &req.Creations[i]
		g := grantOf(resource{c.ResourceType, c.ResourcePatternType, c.ResourceName}, c.Principal, c.Host, c.Operation, c.PermissionType)
		if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
			err = fmt.Errorf("%s %s for %s: %w", g.Resource, g.Name, g.Principal, command.BrokerError(err, command.OrEmpty(r.ErrorMessage)))
			fmt.Fprintf(a.Streams.Err, "lockstep: %s\n", command.Printable(err))
			failed = command.ErrNegative
			continue
		}
		added = append(added, g)
	}
	return errors.Join(a.print("added", added), failed)
}
