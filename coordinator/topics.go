package coordinator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

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

// CreateTopic creates a topic. With validateOnly it only says what it would
// create, without an id.
func (c *Cluster) CreateTopic(ctx context.Context, t NewTopic, validateOnly bool) (*Topic, error) {
	if err := CheckTopicName(t.Name); err != nil {
		return nil, err
	}
	if err := checkLengths(t.Configs); err != nil {
		return nil, err
	}
	if err := validTopic(t.Configs); err != nil {
		return nil, err
	}
	id, err := newID(c.o.Rand)
	if err != nil {
		return nil, err
	}
	var made *Topic
	err = c.change(ctx, func(im *Image) decision {
		var d decision
		made, d = c.decideTopic(im, t, id)
		if validateOnly {
			d.ops = nil
		}
		return d
	})
	if err != nil {
		return nil, err
	}
	if validateOnly {
		made.ID = protocol.TopicID{}
		return made, nil
	}
	if shown, ok := c.Image().TopicByID(id); ok {
		return shown, nil
	}
	return made, nil // somebody has deleted it since
}

func (c *Cluster) decideTopic(im *Image, t NewTopic, id protocol.TopicID) (*Topic, decision) {
	key := c.keys.topic(t.Name)
	if made, ok := im.TopicByID(id); ok {
		return made, decision{} // by a try that was lost, and somebody has changed it since
	}
	if old := im.colliding(t.Name); old != nil {
		d := decision{compares: []Compare{{Key: key, ModRevision: old.modRevision}}}
		d.err = Refuse(ErrTopicExists, "Topic '%s' already exists.", t.Name)
		if old.Name != t.Name {
			d.err = Refuse(ErrInvalidTopicName, "Topic '%s' collides with existing topic: %s", t.Name, old.Name)
		}
		return nil, d
	}
	d := decision{compares: []Compare{Absent(key)}}
	replicas, err := c.replicasOf(im, t)
	if err != nil {
		d.err = err
		return nil, d
	}
	made := &Topic{
		Name:     t.Name,
		ID:       id,
		Configs:  maps.Clone(t.Configs),
		Internal: isInternal(t.Name),
		made:     assignment{replicas, im.joined(replicas)},
	}
	made.Partitions = made.made.partitions()
	d.ops = []Op{Put(key, encode(made.value()))}
	return made, d
}

// replicasOf checks or makes the assignment of a new topic.
func (c *Cluster) replicasOf(im *Image, t NewTopic) ([][]protocol.BrokerID, error) {
	if t.Assignment != nil {
		if t.Partitions != -1 || t.ReplicationFactor != -1 {
			return nil, fmt.Errorf("%w: with a manual assignment, partitions and replication factor must be -1", ErrInvalidRequest)
		}
		return c.assigned(im, t.Assignment)
	}
	n, rf := int(t.Partitions), int(t.ReplicationFactor)
	if n == -1 {
		n = int(c.o.DefaultPartitions)
	}
	if rf == -1 {
		rf = int(c.o.DefaultReplicationFactor)
	}
	if err := c.checkPartitions(im, n, n); err != nil {
		return nil, err
	}
	return Place(im.staying(rf), n, rf, im.partitions)
}

// assigned checks a manual assignment and brings it in order.
func (c *Cluster) assigned(im *Image, assignment map[int32][]protocol.BrokerID) ([][]protocol.BrokerID, error) {
	if err := c.checkPartitions(im, len(assignment), len(assignment)); err != nil {
		return nil, err
	}
	replicas := make([][]protocol.BrokerID, len(assignment))
	for i := range replicas {
		r, ok := assignment[int32(i)]
		if !ok {
			return nil, fmt.Errorf("%w: partitions are not numbered from 0 without gaps; there is no %d", ErrInvalidReplicaAssignment, i)
		}
		replicas[i] = r
	}
	return replicas, checkAssignment(im, replicas, len(replicas[0]))
}

// checkPartitions bounds a topic of total partitions, of which added are new.
func (c *Cluster) checkPartitions(im *Image, total, added int) error {
	switch {
	case added <= 0:
		return fmt.Errorf("%w: %d; there must be at least 1", ErrInvalidPartitions, added)
	case total > c.o.MaxPartitionsPerTopic:
		return fmt.Errorf("%w: %d; a topic may have %d", ErrInvalidPartitions, total, c.o.MaxPartitionsPerTopic)
	case im.partitions+added > c.o.MaxPartitions:
		return fmt.Errorf("%w: %d more; the cluster has %d and may have %d", ErrInvalidPartitions, added, im.partitions, c.o.MaxPartitions)
	}
	return nil
}

// DeleteTopic deletes a topic by name.
func (c *Cluster) DeleteTopic(ctx context.Context, name string) error {
	return c.change(ctx, func(im *Image) decision {
		t, ok := im.Topic(name)
		if !ok {
			return c.unknownTopic(im, name)
		}
		return c.deleteTopic(t)
	})
}

// DeleteTopicByID deletes a topic by id.
func (c *Cluster) DeleteTopicByID(ctx context.Context, id protocol.TopicID) error {
	return c.change(ctx, func(im *Image) decision {
		t, ok := im.TopicByID(id)
		if !ok {
			// No key leads from an id to a topic, so the store cannot be asked.
			return decision{err: Refuse(ErrUnknownTopic, "There is no topic with the id %s.", id)}
		}
		return c.deleteTopic(t)
	})
}

func (c *Cluster) deleteTopic(t *Topic) decision {
	return decision{
		compares: []Compare{c.unchanged(t)},
		ops:      []Op{Delete(c.keys.topic(t.Name)), DeletePrefix(c.keys.partitions(t.ID))},
	}
}

// unchanged compares that a topic is as the image has it.
func (c *Cluster) unchanged(t *Topic) Compare {
	return Compare{Key: c.keys.topic(t.Name), ModRevision: t.modRevision}
}

// unknownTopic refuses a name that the image does not have. A topic whose name
// collides with it stands under the same key.
func (c *Cluster) unknownTopic(im *Image, name string) decision {
	d := decision{err: Refuse(ErrUnknownTopic, "The topic '%s' does not exist.", name)}
	if other := im.colliding(name); other != nil {
		d.compares = []Compare{c.unchanged(other)}
	} else {
		d.compares = []Compare{Absent(c.keys.topic(name))}
	}
	return d
}

// CreatePartitions raises a topic's number of partitions to total. The
// assignment, if not nil, gives the replicas of the new partitions in order.
func (c *Cluster) CreatePartitions(ctx context.Context, name string, total int32, assignment [][]protocol.BrokerID, validateOnly bool) error {
	return c.change(ctx, func(im *Image) decision {
		t, ok := im.Topic(name)
		if !ok {
			return c.unknownTopic(im, name)
		}
		d := decision{compares: []Compare{c.unchanged(t)}}
		added, err := c.moreReplicas(im, t, int(total), assignment)
		if err != nil {
			d.err = err
			return d
		}
		if validateOnly {
			return d
		}
		v := t.value()
		v.Joined = slices.Concat(alongside(v.Replicas, v.Joined), im.joined(added))
		v.Replicas = slices.Concat(v.Replicas, added)
		d.ops = []Op{Put(c.keys.topic(name), encode(v))}
		return d
	})
}

// moreReplicas checks or makes the assignment of partitions that are added.
func (c *Cluster) moreReplicas(im *Image, t *Topic, total int, assignment [][]protocol.BrokerID) ([][]protocol.BrokerID, error) {
	have := len(t.Partitions)
	switch {
	case total == have:
		return nil, Refuse(ErrInvalidPartitions, "Topic already has %d partition(s).", have)
	case total < have:
		return nil, Refuse(ErrInvalidPartitions, "The topic %s currently has %d partition(s); %d would not be an increase.", t.Name, have, total)
	}
	added := total - have
	if err := c.checkPartitions(im, total, added); err != nil {
		return nil, err
	}
	rf := len(t.Partitions[0].Replicas) - len(t.Partitions[0].Removing)
	if assignment == nil {
		return Place(im.staying(rf), added, rf, im.partitions)
	}
	if len(assignment) != added {
		return nil, fmt.Errorf("%w: %d partitions are added, and %d are assigned", ErrInvalidReplicaAssignment, added, len(assignment))
	}
	return slices.Clone(assignment), checkAssignment(im, assignment, rf)
}

// colliding returns the topic that stands, or would stand, under the name's key.
func (im *Image) colliding(name string) *Topic {
	if t, ok := im.Topic(name); ok {
		return t
	}
	if !strings.ContainsAny(name, "._") {
		return nil // it can collide with nothing but itself
	}
	for _, t := range im.topics {
		if sameFolded(t.Name, name) {
			return t
		}
	}
	return nil
}
