// Package refusal is the kinds of refusal of the control plane: what a broker must
// tell apart in order to choose a Kafka error code. It holds no rule of its own.
//
// Whoever refuses wraps a kind with a text that names the thing and the value that
// was refused, or, where the text must stand alone, makes an error with [New].
package refusal

import (
	"errors"
	"fmt"
)

// The kinds.
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
	ErrTooLarge                 = errors.New("too much at once")
	ErrUnknownUser              = errors.New("unknown user")

	// The ways in which an election that was asked for can fail.
	ErrElectionNotNeeded     = errors.New("election not needed")
	ErrPreferredNotAvailable = errors.New("preferred leader is not available")
	ErrNoEligibleLeader      = errors.New("no eligible leader is available")
	// ErrNoReassignment refuses to cancel what is not under way.
	ErrNoReassignment = errors.New("no reassignment is under way")

	// ErrFencedPartition refuses a change of a partition that was decided from an older state of it.
	ErrFencedPartition = errors.New("partition state has moved on")
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

// New makes an error of a kind with a text of its own.
func New(kind error, format string, args ...any) error {
	return &refusal{kind, fmt.Sprintf(format, args...)}
}
