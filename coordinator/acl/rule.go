package acl

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// ResourceType is a kind of what is guarded. The numbers are the Kafka protocol's.
type ResourceType int8

// The types of resources. TypeLock is ours, and its number one that Kafka does not use.
const (
	TypeAny             ResourceType = 1 // in filters only; it leaves out locks
	TypeTopic           ResourceType = 2
	TypeGroup           ResourceType = 3
	TypeCluster         ResourceType = 4
	TypeTransactionalID ResourceType = 5
	TypeDelegationToken ResourceType = 6
	TypeUser            ResourceType = 7
	TypeLock            ResourceType = 100
)

// Pattern says how a resource's name is matched.
type Pattern int8

// The patterns. PatternAny and PatternMatch stand in filters only.
const (
	PatternAny      Pattern = 1
	PatternMatch    Pattern = 2 // whatever would match the name
	PatternLiteral  Pattern = 3 // the name itself; "*" is all names
	PatternPrefixed Pattern = 4
)

// Operation is what is done to a resource. The numbers are the Kafka protocol's.
type Operation int8

// The operations.
const (
	OpAny             Operation = 1 // in filters only
	OpAll             Operation = 2
	OpRead            Operation = 3
	OpWrite           Operation = 4
	OpCreate          Operation = 5
	OpDelete          Operation = 6
	OpAlter           Operation = 7
	OpDescribe        Operation = 8
	OpClusterAction   Operation = 9
	OpDescribeConfigs Operation = 10
	OpAlterConfigs    Operation = 11
	OpIdempotentWrite Operation = 12
	OpCreateTokens    Operation = 13
	OpDescribeTokens  Operation = 14
	OpTwoPhaseCommit  Operation = 15
)

// Permission is allow or deny.
type Permission int8

// The permissions. PermissionAny stands in filters only.
const (
	PermissionAny Permission = 1
	Deny          Permission = 2
	Allow         Permission = 3
)

const (
	// Wildcard is every name of a literal pattern, and every host.
	Wildcard = "*"
	// EveryPrincipal is the principal of rules that hold for all.
	EveryPrincipal = "User:*"
	// ClusterName is the name of the one cluster there is.
	ClusterName = "kafka-cluster"
)

// Resource is a resource, or with PatternPrefixed all whose names begin so.
type Resource struct {
	Type    ResourceType
	Pattern Pattern
	Name    string
}

// Rule allows or denies something. Kafka calls it an ACL binding.
type Rule struct {
	Resource
	Principal  string // Type:Name
	Host       string // an address, or Wildcard
	Operation  Operation
	Permission Permission
}

// ID names a rule by its content: equal rules have one, and no others.
type ID [16]byte

// ID returns the rule's id.
func (r *Rule) ID() ID {
	b := []byte{byte(r.Type), byte(r.Pattern), byte(r.Operation), byte(r.Permission)}
	for _, s := range []string{r.Name, r.Principal, r.Host} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	sum := sha256.Sum256(b)
	return ID(sum[:16])
}

// nameBytesMax bounds each text of a rule: all of them are kept in memory by every broker.
const nameBytesMax = 4 << 10

// Validate refuses a rule that means nothing, as Kafka's controller does.
func (r *Rule) Validate() error {
	switch {
	case !r.Type.valid():
		return fmt.Errorf("Invalid resourceType %d", r.Type) //nolint:staticcheck // Kafka's words, as all below
	case r.Pattern != PatternLiteral && r.Pattern != PatternPrefixed:
		return fmt.Errorf("Invalid patternType %d", r.Pattern) //nolint:staticcheck // Kafka's
	case r.Operation < OpAll || r.Operation > OpTwoPhaseCommit:
		return fmt.Errorf("Invalid operation %d", r.Operation) //nolint:staticcheck // Kafka's
	case r.Permission != Allow && r.Permission != Deny:
		return fmt.Errorf("Invalid permissionType %d", r.Permission) //nolint:staticcheck // Kafka's
	case r.Name == "":
		return fmt.Errorf("Resource name should not be empty") //nolint:staticcheck // Kafka's
	case r.Type == TypeCluster && r.Name != ClusterName:
		return fmt.Errorf("The only valid name for the CLUSTER resource is %s", ClusterName) //nolint:staticcheck // Kafka's
	case !strings.Contains(r.Principal, ":"):
		return fmt.Errorf("Could not parse principal from `%s` (no colon is present separating the principal type "+ //nolint:staticcheck // Kafka's
			"from the principal name)", r.Principal)
	case r.Type == TypeLock && r.Operation != OpWrite && r.Operation != OpAll:
		return fmt.Errorf("a lock is written, and nothing else is done to it: operation %d", r.Operation)
	}
	for _, text := range []string{r.Name, r.Principal, r.Host} {
		if len(text) > nameBytesMax {
			return fmt.Errorf("a name has %d bytes, and may have %d", len(text), nameBytesMax)
		}
	}
	return nil
}

func (t ResourceType) valid() bool { return t >= TypeTopic && t <= TypeUser || t == TypeLock }
