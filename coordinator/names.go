package coordinator

import (
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

// Former names, for code that is on its way. They go with their last user.
type (
	Image         = image.Image
	Topic         = image.Topic
	Partition     = image.Partition
	Broker        = image.Broker
	Endpoint      = image.Endpoint
	NewTopic      = plan.NewTopic
	ElectionRules = plan.ElectionRules
	Store         = store.Store
	MemStore      = store.Memory
)

var (
	NewMemStore                 = store.NewMemory
	Refuse                      = refusal.New
	ErrStoreUnavailable         = store.ErrUnavailable
	ErrStoreFull                = store.ErrFull
	ErrClusterMismatch          = image.ErrClusterMismatch
	ErrTopicExists              = refusal.ErrTopicExists
	ErrUnknownTopic             = refusal.ErrUnknownTopic
	ErrUnknownPartition         = refusal.ErrUnknownPartition
	ErrUnknownBroker            = refusal.ErrUnknownBroker
	ErrInvalidTopicName         = refusal.ErrInvalidTopicName
	ErrInvalidPartitions        = refusal.ErrInvalidPartitions
	ErrInvalidReplicationFactor = refusal.ErrInvalidReplicationFactor
	ErrInvalidReplicaAssignment = refusal.ErrInvalidReplicaAssignment
	ErrInvalidConfig            = refusal.ErrInvalidConfig
	ErrInvalidRequest           = refusal.ErrInvalidRequest
	ErrElectionNotNeeded        = refusal.ErrElectionNotNeeded
	ErrPreferredNotAvailable    = refusal.ErrPreferredNotAvailable
	ErrNoEligibleLeader         = refusal.ErrNoEligibleLeader
	ErrNoReassignment           = refusal.ErrNoReassignment
)
