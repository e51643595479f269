package coordinator

import (
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
)

// FormatVersion is the version of the layout below. A store with a newer one is refused.
const FormatVersion = 1

// The layout of the store, under one prefix. All values are JSON.
//
//	format                      {"version":1,"clusterId":"…"}                    written once
//	brokers/ID                  {"endpoints":[…],"rack":"…","directory":"…",     leased; live while it stands
//	                             "life":"…","before":17,"lost":[…],"lostSince":0}
//	directories/ID              {"directory":"…"}                                written when the directory changes
//	leaving/ID                  {}                                               leased
//	suspects/ID/BY              {"incarnation":17}                               leased by BY
//	controller                  {"broker":1}                                     leased
//	topics/FOLDED               {"name":"…","id":"…","replicas":[[1,2],[2,1]],"joined":[[21,22],[22,21]],"configs":{…}}
//	partitions/TOPICID/INDEX    {"leader":1,"leaderEpoch":3,"isr":[1],"joined":[21],"partitionEpoch":5,
//	                             "replicas":[1,2],"adding":[2],"removing":[]}
//	configs/cluster             {"log.retention.ms":"…"}
//	configs/brokers/ID          {"log.retention.ms":"…"}
//	configs/groups/GROUP        {"consumer.session.timeout.ms":"…"}              stands while any is set
//	producer-ids                {"next":1000}
//	forgotten                   {"revision":1000}                                history up to there is gone
//
// A topic stands under its folded name, '.' made '_', because Kafka refuses two
// topics whose names differ in that alone: one compare, "the key is absent",
// then refuses both a second topic of the name and a collision.
//
// A topic is one key with all its replicas, so that creating one is one
// transaction whatever its size. A partition gets a key of its own with its
// first change of leader or ISR; without one it is as it was made: led by its
// first replica, all replicas in sync, both epochs 0. State stands under the
// topic's id, so that what a deleted topic left behind can never be taken for
// state of a new topic of that name. It has replicas of its own from the first
// reassignment on.
//
// A broker epoch is the revision at which a broker's key was written; the values
// call it "incarnation", "before" the one that it goes on from, and "life" the
// process. "joined" is the broker epoch in which each replica, or each of the ISR,
// came into sync; its negative once the broker has resigned in that epoch. Layouts written before there was
// "joined" lack it; that counts as 0, not known. The revision of a directory's
// key is the broker epoch since which the broker has had it.
type layout struct{ prefix string }

func (l layout) format() string      { return l.prefix + "format" }
func (l layout) controller() string  { return l.prefix + "controller" }
func (l layout) producerIDs() string { return l.prefix + "producer-ids" }
func (l layout) forgotten() string   { return l.prefix + "forgotten" } // nobody reads it

func (l layout) broker(id protocol.BrokerID) string {
	return l.prefix + "brokers/" + strconv.Itoa(int(id))
}

func (l layout) directory(id protocol.BrokerID) string {
	return l.prefix + "directories/" + strconv.Itoa(int(id))
}

func (l layout) leaving(id protocol.BrokerID) string {
	return l.prefix + "leaving/" + strconv.Itoa(int(id))
}

func (l layout) suspect(id, by protocol.BrokerID) string {
	return l.prefix + "suspects/" + strconv.Itoa(int(id)) + "/" + strconv.Itoa(int(by))
}

func (l layout) topic(name string) string { return l.prefix + "topics/" + foldName(name) }

func (l layout) partitions(id protocol.TopicID) string {
	return l.prefix + "partitions/" + id.String() + "/"
}

func (l layout) partition(id protocol.TopicID, index int32) string {
	return l.partitions(id) + strconv.Itoa(int(index))
}

func (l layout) clusterConfig() string { return l.prefix + "configs/cluster" }

func (l layout) brokerConfig(id protocol.BrokerID) string {
	return l.prefix + "configs/brokers/" + strconv.Itoa(int(id))
}

// groupConfig is the key of a consumer group's settings. The group's id, which
// may hold anything, is the rest of it.
func (l layout) groupConfig(group string) string { return l.prefix + "configs/groups/" + group }

// keyKind says what a key holds.
type keyKind uint8

const (
	keyUnknown keyKind = iota // of a later version, or not ours: left alone
	keyFormat
	keyController
	keyBroker
	keyDirectory
	keyLeaving
	keySuspect
	keyTopic
	keyPartition
	keyClusterConfig
	keyBrokerConfig
	keyGroupConfig
	keyProducerIDs
)

// parsedKey is a key taken apart.
type parsedKey struct {
	kind   keyKind
	broker protocol.BrokerID // of a broker, its directory, leave, config or suspicion
	by     protocol.BrokerID // of a suspicion: who has it
	folded string            // of a topic
	topic  protocol.TopicID  // of a partition
	index  int32             // of a partition
	group  string            // of a group's config
}

func (l layout) parse(key string) parsedKey {
	path, ok := strings.CutPrefix(key, l.prefix)
	if !ok {
		return parsedKey{}
	}
	head, rest, _ := strings.Cut(path, "/")
	switch head {
	case "format":
		return parsedKey{kind: keyFormat}
	case "controller":
		return parsedKey{kind: keyController}
	case "producer-ids":
		return parsedKey{kind: keyProducerIDs}
	case "brokers":
		return brokerKey(keyBroker, rest)
	case "directories":
		return brokerKey(keyDirectory, rest)
	case "leaving":
		return brokerKey(keyLeaving, rest)
	case "suspects":
		return suspectKey(rest)
	case "topics":
		return parsedKey{kind: keyTopic, folded: rest}
	case "partitions":
		return partitionKey(rest)
	case "configs":
		if rest == "cluster" {
			return parsedKey{kind: keyClusterConfig}
		}
		if id, ok := strings.CutPrefix(rest, "brokers/"); ok {
			return brokerKey(keyBrokerConfig, id)
		}
		if group, ok := strings.CutPrefix(rest, "groups/"); ok && group != "" {
			return parsedKey{kind: keyGroupConfig, group: group}
		}
	}
	return parsedKey{}
}

func brokerKey(kind keyKind, s string) parsedKey {
	id, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return parsedKey{}
	}
	return parsedKey{kind: kind, broker: protocol.BrokerID(id)}
}

func suspectKey(s string) parsedKey {
	id, by, _ := strings.Cut(s, "/")
	key, other := brokerKey(keySuspect, id), brokerKey(keySuspect, by)
	if key.kind == keyUnknown || other.kind == keyUnknown {
		return parsedKey{}
	}
	key.by = other.broker
	return key
}

func partitionKey(s string) parsedKey {
	idText, indexText, _ := strings.Cut(s, "/")
	id, err := parseTopicID(idText)
	if err != nil {
		return parsedKey{}
	}
	index, err := strconv.ParseInt(indexText, 10, 32)
	if err != nil {
		return parsedKey{}
	}
	return parsedKey{kind: keyPartition, topic: id, index: int32(index)}
}
