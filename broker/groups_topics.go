package broker

import (
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// imageTopics is an image as the groups see it.
type imageTopics struct{ *image.Image }

var _ group.Topics = imageTopics{}

// Topic implements group.Topics.
func (im imageTopics) Topic(name string) (group.Topic, bool) {
	t, ok := im.Image.Topic(name)
	if !ok {
		return group.Topic{}, false
	}
	return groupTopic(t), true
}

// TopicByID implements group.Topics.
func (im imageTopics) TopicByID(id group.TopicID) (group.Topic, bool) {
	t, ok := im.Image.TopicByID(protocol.TopicID(id))
	if !ok {
		return group.Topic{}, false
	}
	return groupTopic(t), true
}

// EachTopic implements group.Topics.
func (im imageTopics) EachTopic(f func(group.Topic)) {
	for _, t := range im.Topics() {
		f(groupTopic(t))
	}
}

func groupTopic(t *image.Topic) group.Topic {
	return group.Topic{Name: t.Name, ID: group.TopicID(t.ID), Partitions: int32(len(t.Partitions))}
}

// sameTopics reports whether two images hold the same topics, as far as groups
// care: who leads what changes more often.
func sameTopics(a, b []*image.Topic) bool {
	return slices.EqualFunc(a, b, func(a, b *image.Topic) bool {
		return a == b || a.ID == b.ID && len(a.Partitions) == len(b.Partitions)
	})
}
