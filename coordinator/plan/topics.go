package plan

import (
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// NewTopic asks for a topic. Either Assignment is nil, or Partitions and
// ReplicationFactor are -1.
type NewTopic struct {
	Name              string
	Partitions        int32 // -1: the default
	ReplicationFactor int16 // -1: the default
	// Assignment gives each partition's replicas, the preferred leader first.
	Assignment map[int32][]protocol.BrokerID
	Configs    map[string]string
}

// Limits bound what topics may be made.
type Limits struct {
	// DefaultPartitions and DefaultReplicationFactor stand for -1 in NewTopic. Default: 1.
	DefaultPartitions        int32
	DefaultReplicationFactor int16
	// MaxPartitionsPerTopic bounds one topic. Default: 10,000.
	MaxPartitionsPerTopic int
	// MaxPartitions bounds the cluster. Default: 200,000.
	MaxPartitions int
}

// WithDefaults are the limits with the defaults where none is set: no topic could
// be made with a limit of 0.
func (l Limits) WithDefaults() Limits {
	if l.DefaultPartitions == 0 {
		l.DefaultPartitions = 1
	}
	if l.DefaultReplicationFactor == 0 {
		l.DefaultReplicationFactor = 1
	}
	if l.MaxPartitionsPerTopic == 0 {
		l.MaxPartitionsPerTopic = 10_000
	}
	if l.MaxPartitions == 0 {
		l.MaxPartitions = 200_000
	}
	return l
}

// ReplicasOf checks or makes the assignment of a new topic.
func (l Limits) ReplicasOf(im *image.Image, t *NewTopic) ([][]protocol.BrokerID, error) {
	if t.Assignment != nil {
		if t.Partitions != -1 || t.ReplicationFactor != -1 {
			return nil, fmt.Errorf("%w: with a manual assignment, partitions and replication factor must be -1",
				refusal.ErrInvalidRequest)
		}
		return l.assigned(im, t.Assignment)
	}
	n, rf := int(t.Partitions), int(t.ReplicationFactor)
	if n == -1 {
		n = int(l.DefaultPartitions)
	}
	if rf == -1 {
		rf = int(l.DefaultReplicationFactor)
	}
	if err := l.checkPartitions(im, n, n); err != nil {
		return nil, err
	}
	return Place(staying(im, rf), n, rf, im.PartitionCount())
}

// assigned checks a manual assignment and brings it in order.
func (l Limits) assigned(im *image.Image, assignment map[int32][]protocol.BrokerID) ([][]protocol.BrokerID, error) {
	if err := l.checkPartitions(im, len(assignment), len(assignment)); err != nil {
		return nil, err
	}
	replicas := make([][]protocol.BrokerID, len(assignment))
	for i := range replicas {
		r, ok := assignment[int32(i)]
		if !ok {
			return nil, fmt.Errorf("%w: partitions are not numbered from 0 without gaps; there is no %d",
				refusal.ErrInvalidReplicaAssignment, i)
		}
		replicas[i] = r
	}
	return replicas, checkAssignment(im, replicas, len(replicas[0]))
}

// checkPartitions bounds a topic of total partitions, of which added are new.
func (l Limits) checkPartitions(im *image.Image, total, added int) error {
	switch {
	case added <= 0:
		return fmt.Errorf("%w: %d; there must be at least 1", refusal.ErrInvalidPartitions, added)
	case total > l.MaxPartitionsPerTopic:
		return fmt.Errorf("%w: %d; a topic may have %d", refusal.ErrInvalidPartitions, total, l.MaxPartitionsPerTopic)
	case im.PartitionCount()+added > l.MaxPartitions:
		return fmt.Errorf("%w: %d more; the cluster has %d and may have %d", refusal.ErrInvalidPartitions, added,
			im.PartitionCount(), l.MaxPartitions)
	}
	return nil
}

// MoreReplicas checks or makes the assignment of partitions that are added.
func (l Limits) MoreReplicas(im *image.Image, t *image.Topic, total int,
	assignment [][]protocol.BrokerID) ([][]protocol.BrokerID, error) {
	have := len(t.Partitions)
	switch {
	case total == have:
		return nil, refusal.New(refusal.ErrInvalidPartitions, "Topic already has %d partition(s).", have)
	case total < have:
		return nil, refusal.New(refusal.ErrInvalidPartitions,
			"The topic %s currently has %d partition(s); %d would not be an increase.", t.Name, have, total)
	}
	added := total - have
	if err := l.checkPartitions(im, total, added); err != nil {
		return nil, err
	}
	rf := len(t.Partitions[0].Replicas) - len(t.Partitions[0].Removing)
	if assignment == nil {
		return Place(staying(im, rf), added, rf, im.PartitionCount())
	}
	if len(assignment) != added {
		return nil, fmt.Errorf("%w: %d partitions are added, and %d are assigned", refusal.ErrInvalidReplicaAssignment,
			added, len(assignment))
	}
	return slices.Clone(assignment), checkAssignment(im, assignment, rf)
}
