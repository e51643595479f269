package coordinator

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// Image is the cluster's metadata as of one revision of the store. It never
// changes: a change makes a new Image that shares what did not change. Callers
// must not write to anything they reach through it.
//
// Topics are kept as two sorted slices rather than as maps, because a change
// then copies one run of pointers: 80 kB for 10,000 topics, in microseconds.
type Image struct {
	// Revision is the store's revision that the image shows. It rises with each image.
	Revision int64
	// ClusterID is given at the store's first use and never changes.
	ClusterID string
	// Controller is the broker that holds the controller's lease, or NoBroker.
	Controller protocol.BrokerID

	brokers       []Broker // by ID
	topics        []*Topic // by Name
	topicsByID    []*Topic // by ID; the same topics
	clusterConfig configMap
	brokerConfigs map[protocol.BrokerID]configMap
	partitions    int // over all topics
}

// configMap is one document of settings, with the revision it was written at.
type configMap struct {
	values      map[string]string
	modRevision int64
}

// Broker is a registered, that is a live, broker.
type Broker struct {
	ID        protocol.BrokerID
	Endpoints []Endpoint
	Rack      string // "" = none
	// Incarnation is the revision of the registration: it rises with each start of the broker.
	Incarnation int64
	// DirectoryID names the data directory that the broker runs on; "" = not known.
	DirectoryID string
}

// Endpoint is an advertised address. Name is the listener's.
type Endpoint struct {
	Name string
	Host string
	Port int32
}

// Topic is a topic and its partitions, in order of index from 0.
type Topic struct {
	Name       string
	ID         protocol.TopicID
	Partitions []Partition
	Configs    map[string]string // overrides only
	Internal   bool

	modRevision int64
}

// Partition is who holds and who leads one partition.
type Partition struct {
	Index       int32
	Leader      protocol.BrokerID // NoBroker: none is alive
	LeaderEpoch protocol.LeaderEpoch
	Replicas    []protocol.BrokerID // the first is preferred as leader
	ISR         []protocol.BrokerID // a subset of Replicas
	// PartitionEpoch counts the changes of this state, from 0.
	PartitionEpoch int32

	stateRevision int64 // of the state key; 0 = there is none yet
}

// Brokers returns the live brokers, by id.
func (im *Image) Brokers() []Broker { return slices.Clip(im.brokers) }

// Broker returns a live broker.
func (im *Image) Broker(id protocol.BrokerID) (Broker, bool) {
	i, ok := slices.BinarySearchFunc(im.brokers, id, func(b Broker, id protocol.BrokerID) int {
		return cmp.Compare(b.ID, id)
	})
	if !ok {
		return Broker{}, false
	}
	return im.brokers[i], true
}

// Topic returns a topic by its name.
func (im *Image) Topic(name string) (*Topic, bool) {
	i, ok := slices.BinarySearchFunc(im.topics, name, func(t *Topic, name string) int {
		return cmp.Compare(t.Name, name)
	})
	if !ok {
		return nil, false
	}
	return im.topics[i], true
}

// TopicByID returns a topic by its id.
func (im *Image) TopicByID(id protocol.TopicID) (*Topic, bool) {
	i, ok := slices.BinarySearchFunc(im.topicsByID, id, func(t *Topic, id protocol.TopicID) int {
		return bytes.Compare(t.ID[:], id[:])
	})
	if !ok {
		return nil, false
	}
	return im.topicsByID[i], true
}

// Topics returns all topics, by name.
func (im *Image) Topics() []*Topic { return slices.Clip(im.topics) }

// PartitionCount is the number of partitions over all topics.
func (im *Image) PartitionCount() int { return im.partitions }

// ClusterConfigs are the settings that hold for every broker, by Kafka's broker names.
func (im *Image) ClusterConfigs() map[string]string { return im.clusterConfig.values }

// BrokerConfigs are the settings of one broker, which stand above the cluster's.
func (im *Image) BrokerConfigs(id protocol.BrokerID) map[string]string {
	return im.brokerConfigs[id].values
}
