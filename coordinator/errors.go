package coordinator

import (
	"errors"
	"fmt"
)

// What the broker must tell apart in order to choose a Kafka error code. Each
// is wrapped with a text for people, which names the thing and the value that
// was refused, or is the kind of a refusal.
var (
	ErrTopicExists              = errors.New("topic exists")
	ErrUnknownTopic             = errors.New("unknown topic")
	ErrUnknownPartition         = errors.New("unknown partition")
	ErrUnknownBroker            = errors.New("unknown broker")
	ErrInvalidTopicName         = errors.New("invalid topic name")
	ErrInvalidPartitions        = errors.New("invalid number of partitions")
	ErrInvalidReplicationFactor = errors.New("invalid replication factor")
	ErrInvalidReplicaAssignment = errors.New("invalid replica assignment")
	ErrInvalidConfig            = errors.New("invalid config")
	ErrInvalidRequest           = errors.New("invalid request")

	// The ways in which an election that was asked for can fail.
	ErrElectionNotNeeded     = errors.New("election not needed")
	ErrPreferredNotAvailable = errors.New("preferred leader is not available")
	ErrNoEligibleLeader      = errors.New("no eligible leader is available")
	// ErrNoReassignment refuses to cancel what is not under way.
	ErrNoReassignment = errors.New("no reassignment is under way")

	// ErrFencedPartition refuses a change of a partition that was decided from an older state of it.
	ErrFencedPartition = errors.New("partition state has moved on")
	// ErrBrokerIDTaken refuses a registration while another live broker holds the same id.
	ErrBrokerIDTaken = errors.New("broker id is taken")
	// ErrNotRegistered refuses what only a registered broker can do.
	ErrNotRegistered = errors.New("broker is not registered")
	// ErrClusterMismatch refuses a store that does not hold the expected cluster.
	ErrClusterMismatch = errors.New("store belongs to another cluster")
	// ErrNewerFormat refuses a store that a newer version wrote.
	ErrNewerFormat = errors.New("store has a newer format")
	// ErrStoreWentBack refuses a store whose revision fell: an old snapshot was restored under us.
	ErrStoreWentBack = errors.New("store went back in time")
	// ErrClosed is the answer of a Cluster that no longer runs.
	ErrClosed = errors.New("cluster is closed")
)

// refusal is an error of one of these kinds whose text stands alone. It is
// Kafka's to the letter where Kafka has one: people look such texts up.
type refusal struct {
	kind error
	text string
}

func (r *refusal) Error() string { return r.text }

// Unwrap is the kind.
func (r *refusal) Unwrap() error { return r.kind }

// Refuse makes an error of a kind with a text of its own.
func Refuse(kind error, format string, args ...any) error {
	return &refusal{kind, fmt.Sprintf(format, args...)}
}
