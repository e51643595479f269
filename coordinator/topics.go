package coordinator

import (
	"context"
	"maps"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// CreateTopic creates a topic. With validateOnly it only says what it would
// create, without an id.
func (c *Cluster) CreateTopic(ctx context.Context, t plan.NewTopic, validateOnly bool) (*image.Topic, error) {
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
	var made *image.Topic
	err = c.change(ctx, func(im *image.Image) decision {
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

func (c *Cluster) decideTopic(im *image.Image, t plan.NewTopic, id protocol.TopicID) (*image.Topic, decision) {
	key := c.keys.Topic(t.Name)
	if made, ok := im.TopicByID(id); ok {
		return made, decision{} // by a try that was lost, and somebody has changed it since
	}
	if old := im.Colliding(t.Name); old != nil {
		d := decision{compares: []store.Compare{{Key: key, ModRevision: old.Revision}}}
		d.err = refusal.New(refusal.ErrTopicExists, "Topic '%s' already exists.", t.Name)
		if old.Name != t.Name {
			d.err = refusal.New(refusal.ErrInvalidTopicName, "Topic '%s' collides with existing topic: %s", t.Name, old.Name)
		}
		return nil, d
	}
	d := decision{compares: []store.Compare{store.Absent(key)}}
	replicas, err := c.o.Limits.ReplicasOf(im, &t)
	if err != nil {
		d.err = err
		return nil, d
	}
	made := &image.Topic{
		Name:     t.Name,
		ID:       id,
		Configs:  maps.Clone(t.Configs),
		Internal: image.IsInternal(t.Name),
		Made:     image.Assignment{Replicas: replicas, Joined: im.EpochsOf(replicas)},
	}
	made.Partitions = made.Made.Partitions()
	d.ops = []store.Op{store.Put(key, store.Encode(made.Value()))}
	return made, d
}

// DeleteTopic deletes a topic by name.
func (c *Cluster) DeleteTopic(ctx context.Context, name string) error {
	return c.change(ctx, func(im *image.Image) decision {
		t, ok := im.Topic(name)
		if !ok {
			return c.unknownTopic(im, name)
		}
		return c.deleteTopic(t)
	})
}

// DeleteTopicByID deletes a topic by id.
func (c *Cluster) DeleteTopicByID(ctx context.Context, id protocol.TopicID) error {
	return c.change(ctx, func(im *image.Image) decision {
		t, ok := im.TopicByID(id)
		if !ok {
			// No key leads from an id to a topic, so the store cannot be asked.
			return decision{err: refusal.New(refusal.ErrUnknownTopic, "There is no topic with the id %s.", id)}
		}
		return c.deleteTopic(t)
	})
}

func (c *Cluster) deleteTopic(t *image.Topic) decision {
	return decision{
		compares: []store.Compare{c.unchanged(t)},
		ops:      []store.Op{store.Delete(c.keys.Topic(t.Name)), store.DeletePrefix(c.keys.Partitions(t.ID))},
	}
}

// unchanged compares that a topic is as the image has it.
func (c *Cluster) unchanged(t *image.Topic) store.Compare {
	return store.Compare{Key: c.keys.Topic(t.Name), ModRevision: t.Revision}
}

// unknownTopic refuses a name that the image does not have. A topic whose name
// collides with it stands under the same key.
func (c *Cluster) unknownTopic(im *image.Image, name string) decision {
	d := decision{err: refusal.New(refusal.ErrUnknownTopic, "The topic '%s' does not exist.", name)}
	if other := im.Colliding(name); other != nil {
		d.compares = []store.Compare{c.unchanged(other)}
	} else {
		d.compares = []store.Compare{store.Absent(c.keys.Topic(name))}
	}
	return d
}

// CreatePartitions raises a topic's number of partitions to total. The
// assignment, if not nil, gives the replicas of the new partitions in order.
func (c *Cluster) CreatePartitions(ctx context.Context, name string, total int32, assignment [][]protocol.BrokerID,
	validateOnly bool) error {
	return c.change(ctx, func(im *image.Image) decision {
		t, ok := im.Topic(name)
		if !ok {
			return c.unknownTopic(im, name)
		}
		d := decision{compares: []store.Compare{c.unchanged(t)}}
		added, err := c.o.Limits.MoreReplicas(im, t, int(total), assignment)
		if err != nil {
			d.err = err
			return d
		}
		if validateOnly {
			return d
		}
		v := t.Value()
		all := t.Made.Plus(image.Assignment{Replicas: added, Joined: im.EpochsOf(added)})
		v.Replicas, v.Joined = all.Replicas, all.Joined
		d.ops = []store.Op{store.Put(c.keys.Topic(name), store.Encode(v))}
		return d
	})
}
