package group

// Topic is what assignors know of a topic.
type Topic struct {
	Name       string
	ID         TopicID
	Partitions int32
}

// Topics are the cluster's topics as of one moment.
type Topics interface {
	Topic(name string) (Topic, bool)
	TopicByID(id TopicID) (Topic, bool)
	EachTopic(f func(Topic))
}

// noTopics is a cluster before its metadata is known.
type noTopics struct{}

func (noTopics) Topic(string) (Topic, bool)      { return Topic{}, false }
func (noTopics) TopicByID(TopicID) (Topic, bool) { return Topic{}, false }
func (noTopics) EachTopic(func(Topic))           {}

// SetTopics shows the coordinator other topics. Groups look at them when one of
// their members is heard of next.
func (c *Coordinator) SetTopics(t Topics) {
	c.topics = t
	c.topicsSeen++
}
