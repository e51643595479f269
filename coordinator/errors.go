package coordinator

import "errors"

// What the broker must tell apart in order to choose a Kafka error code. Each
// is wrapped with a text for people, which names the thing and the value that
// was refused.
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
