package image

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/coordinator/quota"
	"github.com/lockstep-log/lockstep/coordinator/store"
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
	clusterConfig Config
	brokerConfigs map[protocol.BrokerID]Config
	groupConfigs  map[string]Config // of the consumer groups that have settings of their own
	users         map[string]User   // who can authenticate by SCRAM
	secret        []byte            // nil: none was made yet
	partitions    int               // over all topics
	acls          *acl.Set          // nil: none was ever written
	quotas        *quota.Set        // nil: none was ever set
}

// Config is one document of settings, with the revision it was written at.
type Config struct {
	Values   map[string]string
	Revision int64 // 0: nothing was ever set
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

	Process   string               // which Epoch alone does not tell before it is shown
	Lease     store.LeaseID        // of the registration
	LostSince protocol.BrokerEpoch // the epoch that found what is Lost; 0: this one
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

	Made     Assignment // as the topic's key has it
	Revision int64      // of the topic's key
}

// Assignment is the replicas of partitions as they were made, and the broker
// epochs that these were in.
type Assignment struct {
	Replicas [][]protocol.BrokerID
	Joined   [][]protocol.BrokerEpoch
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

	Reassigned bool  // Replicas are the state's own, not the topic's
	Revision   int64 // of the state's key; 0 = there is none yet
}

// Preferred is the replica that leads when it can.
func (p *Partition) Preferred() protocol.BrokerID {
	if len(p.Replicas) == 0 {
		return protocol.NoBroker
	}
	return p.Replicas[0]
}

// LostFoundIn is the epoch that found what is Lost.
func (b *Broker) LostFoundIn() protocol.BrokerEpoch {
	if b.LostSince != 0 {
		return b.LostSince
	}
	return b.Epoch
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

// KnowsBroker reports whether a broker is live, or has been since it was last removed.
func (im *Image) KnowsBroker(id protocol.BrokerID) bool {
	_, known := im.directories[id]
	_, live := im.Broker(id)
	return known || live
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

// SameBrokers reports whether two images have the very same brokers.
func (im *Image) SameBrokers(other *Image) bool { // a change makes a new slice
	a, b := im.brokers, other.brokers
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Suspicions are who is suspected, by whom, and in which broker epoch: also of
// brokers, and by brokers, that are gone. They are not to be changed.
func (im *Image) Suspicions() map[protocol.BrokerID]map[protocol.BrokerID]protocol.BrokerEpoch {
	return im.suspects
}

// Suspecting are the live brokers that suspect a live broker, in order.
func (im *Image) Suspecting(id protocol.BrokerID) []protocol.BrokerID {
	b, live := im.Broker(id)
	var all []protocol.BrokerID
	for by, epoch := range im.suspects[id] {
		if _, ok := im.Broker(by); ok && live && by != id && epoch == b.Epoch {
			all = append(all, by)
		}
	}
	slices.Sort(all)
	return all
}

// EpochsOf are the present broker epochs of replicas, beside them.
func (im *Image) EpochsOf(replicas [][]protocol.BrokerID) [][]protocol.BrokerEpoch {
	now := make(map[protocol.BrokerID]protocol.BrokerEpoch, len(im.brokers))
	for i := range im.brokers {
		now[im.brokers[i].ID] = im.brokers[i].Epoch
	}
	all := make([][]protocol.BrokerEpoch, len(replicas))
	for i, r := range replicas {
		all[i] = make([]protocol.BrokerEpoch, len(r))
		for j, id := range r {
			all[i][j] = now[id]
		}
	}
	return all
}

// Colliding returns the topic that stands, or would stand, under the name's key.
func (im *Image) Colliding(name string) *Topic {
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

// Topics returns all topics, by name.
func (im *Image) Topics() []*Topic { return slices.Clip(im.topics) }

// PartitionCount is the number of partitions over all topics.
func (im *Image) PartitionCount() int { return im.partitions }

// ClusterConfigs are the settings that hold for every broker, by Kafka's broker names.
func (im *Image) ClusterConfigs() map[string]string { return im.clusterConfig.Values }

// BrokerConfigs are the settings of one broker, which stand above the cluster's.
func (im *Image) BrokerConfigs(id protocol.BrokerID) map[string]string {
	return im.brokerConfigs[id].Values
}

// GroupConfigs are the settings of one consumer group, which stand above those of
// the brokers. A group need not be there to have some.
func (im *Image) GroupConfigs(group string) map[string]string { return im.groupConfigs[group].Values }

// ConfiguredGroups are the ids of all groups that have settings, sorted.
func (im *Image) ConfiguredGroups() []string { return slices.Sorted(maps.Keys(im.groupConfigs)) }

// ClusterConfig is the document of the settings that hold for every broker.
func (im *Image) ClusterConfig() Config { return im.clusterConfig }

// BrokerConfig is the document of one broker's settings.
func (im *Image) BrokerConfig(id protocol.BrokerID) Config { return im.brokerConfigs[id] }

// GroupConfig is the document of one consumer group's settings.
func (im *Image) GroupConfig(group string) Config { return im.groupConfigs[group] }

// ConfiguredBrokerCount is how many brokers have settings, live or not.
func (im *Image) ConfiguredBrokerCount() int { return len(im.brokerConfigs) }

// ConfiguredGroupCount is how many consumer groups have settings.
func (im *Image) ConfiguredGroupCount() int { return len(im.groupConfigs) }

// ACLs are all ACLs. Two images have the very same Set as long as none changes.
func (im *Image) ACLs() *acl.Set {
	if im.acls == nil {
		return noACLs
	}
	return im.acls
}

var noACLs = &acl.Set{}

// SameGroupConfigs reports whether no group has other settings in one image than
// in the other.
func (im *Image) SameGroupConfigs(other *Image) bool {
	return maps.EqualFunc(im.groupConfigs, other.groupConfigs, func(a, b Config) bool { return a.Revision == b.Revision })
}
