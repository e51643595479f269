package acl

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/internal/cli/command"
)

const (
	typeLock    = kmsg.ACLResourceType(100) // Lockstep's own, see docs/authorization.md
	clusterName = "kafka-cluster"
)

// resource is a resource, or with a prefixed pattern all whose names begin so.
type resource struct {
	kind    kmsg.ACLResourceType
	pattern kmsg.ACLResourcePatternType
	name    string
}

// chosen is what the flags name.
type chosen struct {
	topics, groups, transactionalIDs, tokens, users, locks []string

	cluster    bool
	pattern    string
	principals []string
	hosts      []string
	operations []string
}

func (c *chosen) flags(cmd *cobra.Command, patterns string) {
	f := cmd.Flags()
	f.StringArrayVar(&c.topics, "topic", nil, "a topic, `NAME`; '*' is all")
	f.StringArrayVar(&c.groups, "group", nil, "a consumer group, `NAME`")
	f.StringArrayVar(&c.transactionalIDs, "transactional-id", nil, "a transactional id, `NAME`")
	f.StringArrayVar(&c.tokens, "delegation-token", nil, "a delegation token, `NAME`")
	f.StringArrayVar(&c.users, "user-principal", nil, "a user whose tokens are meant, `NAME`")
	f.StringArrayVar(&c.locks, "lock", nil, "locks whose names begin with `PREFIX`; with --pattern literal the one lock")
	f.BoolVar(&c.cluster, "cluster", false, "the cluster itself")
	f.StringVar(&c.pattern, "pattern", "", "how names are meant: "+patterns+" (default: literal; of locks prefixed)")
	f.StringArrayVar(&c.operations, "operation", nil, "`OPERATION`: all, read, write, create, delete, alter, describe, "+
		"cluster-action, describe-configs, alter-configs, idempotent-write")
}

// resources are all that are named.
func (c *chosen) resources(cmd *cobra.Command, known ...kmsg.ACLResourcePatternType) ([]resource, error) {
	pattern := kmsg.ACLResourcePatternTypeLiteral
	if c.pattern != "" {
		found := false
		for _, p := range known {
			if lower(p) == c.pattern {
				pattern, found = p, true
			}
		}
		if !found {
			return nil, command.Usagef(cmd, "--pattern %q is unknown; want one of %s", c.pattern, names(known))
		}
	}
	var all []resource
	for _, of := range []struct {
		kind  kmsg.ACLResourceType
		names []string
	}{
		{kmsg.ACLResourceTypeTopic, c.topics}, {kmsg.ACLResourceTypeGroup, c.groups},
		{kmsg.ACLResourceTypeTransactionalId, c.transactionalIDs}, {kmsg.ACLResourceTypeDelegationToken, c.tokens},
		{kmsg.ACLResourceTypeUser, c.users}, {typeLock, c.locks},
	} {
		for _, name := range of.names {
			r := resource{of.kind, pattern, name}
			if of.kind == typeLock && c.pattern == "" && name != "*" {
				r.pattern = kmsg.ACLResourcePatternTypePrefixed
			}
			all = append(all, r)
		}
	}
	if c.cluster {
		all = append(all, resource{kmsg.ACLResourceTypeCluster, kmsg.ACLResourcePatternTypeLiteral, clusterName})
	}
	return all, nil
}

// operation reads one, in the words of kafka-acls or ours: DescribeConfigs, describe-configs.
func operation(s string) (kmsg.ACLOperation, error) {
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s)) }
	for op := kmsg.ACLOperationAll; op <= kmsg.ACLOperationIdempotentWrite; op++ {
		if plain(op.String()) == plain(s) {
			return op, nil
		}
	}
	return 0, fmt.Errorf("operation %q is unknown", s)
}

func (c *chosen) ops(cmd *cobra.Command) ([]kmsg.ACLOperation, error) {
	var ops []kmsg.ACLOperation
	for _, list := range c.operations {
		for _, item := range command.SplitList(list) {
			op, err := operation(item)
			if err != nil {
				return nil, command.Usagef(cmd, "--operation: %w", err)
			}
			ops = append(ops, op)
		}
	}
	return ops, nil
}

// lower is a word of the protocol as a flag has it.
func lower(word fmt.Stringer) string {
	return strings.ToLower(strings.ReplaceAll(word.String(), "_", "-"))
}

func names(patterns []kmsg.ACLResourcePatternType) string {
	all := make([]string, len(patterns))
	for i, p := range patterns {
		all[i] = lower(p)
	}
	return strings.Join(all, ", ")
}

func typeName(t kmsg.ACLResourceType) string {
	if t == typeLock {
		return "lock"
	}
	return lower(t)
}
