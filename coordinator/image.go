package coordinator

import (
	"bytes"
	"cmp"
	"maps"
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
	directories   map[protocol.BrokerID]directory
	leaving       map[protocol.BrokerID]bool
	suspects      map[protocol.BrokerID]map[protocol.BrokerID]protocol.BrokerEpoch // of whom, by whom: in which epoch
	topics        []*Topic                                                         // by Name
	topicsByID    []*Topic                                                         // by ID; the same topics
	clusterConfig configMap
	brokerConfigs map[protocol.BrokerID]configMap
	groupConfigs  map[string]configMap // of the consumer groups that have settings of their own
	partitions    int                  // over all topics
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
	HTTP      string // host:port of its HTTP side, as the other brokers would reach it; "" = none, or not known
	// Epoch is the revision of the registration: it rises with each start of the broker.
	Epoch protocol.BrokerEpoch
	// DirectoryID names the data directory that the broker runs on; "" = not known.
	DirectoryID string
	// PreviousEpoch is the broker epoch that this one goes on from: it had
	// everything on disk when it ended (KIP-966). 0: there was none, or it ended otherwise.
	PreviousEpoch protocol.BrokerEpoch
	// DirectorySince is the broker epoch that first had the present DirectoryID; 0 = not known.
	DirectorySince protocol.BrokerEpoch
	// Lost are the partitions whose logs this broker found gone or could not open.
	// It is sorted by nothing and not to be changed.
	Lost []protocol.TopicPartition
	// Leaving: the broker is about to shut down and wants to lead nothing.
	Leaving bool

	process   string               // which Epoch alone does not tell before it is shown
	lease     LeaseID              // of the registration
	lostSince protocol.BrokerEpoch // the epoch that found what is Lost; 0: this one
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

	made        assignment // as the topic's key has it
	modRevision int64
}

// assignment is the replicas of partitions as they were made, and the broker
// epochs that these were in.
type assignment struct {
	replicas [][]protocol.BrokerID
	joined   [][]protocol.BrokerEpoch
}

// Partition is who holds and who leads one partition: the state that its replicas
// are told, and what else the metadata has of it. The broker epoch of a member of
// the ISR that has resigned since it came into sync is negative there; where it is
// not known, it is 0.
type Partition struct {
	protocol.PartitionState
	Index int32
	// Adding and Removing are subsets of Replicas and tell a reassignment under
	// way: once all Adding are in sync, all Removing go.
	Adding, Removing []protocol.BrokerID

	reassigned    bool  // Replicas are the state's own, not the topic's
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

// Partition returns a partition and its topic. The partition is the image's own.
func (im *Image) Partition(id protocol.TopicPartition) (*Topic, *Partition, bool) {
	t, ok := im.TopicByID(id.Topic)
	if !ok || id.Index < 0 || int(id.Index) >= len(t.Partitions) {
		return t, nil, false
	}
	return t, &t.Partitions[id.Index], true
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

// GroupConfigs are the settings of one consumer group, which stand above those of
// the brokers. A group need not be there to have some.
func (im *Image) GroupConfigs(group string) map[string]string { return im.groupConfigs[group].values }

// ConfiguredGroups are the ids of all groups that have settings, sorted.
func (im *Image) ConfiguredGroups() []string { return slices.Sorted(maps.Keys(im.groupConfigs)) }

// SameGroupConfigs reports whether no group has other settings in one image than
// in the other.
func (im *Image) SameGroupConfigs(other *Image) bool {
	return maps.EqualFunc(im.groupConfigs, other.groupConfigs, func(a, b configMap) bool { return a.modRevision == b.modRevision })
}
