package store

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
)

// FormatVersion is the version of the layout below. A store with a newer one is refused.
const FormatVersion = 1

// Keys is the layout of the store, under one prefix. All values are JSON.
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
//	quotas/ENTITY               {"producer_byte_rate":1048576}                   stands while any is set
//	acls/ID                     {"type":2,"pattern":3,"name":"…","principal":"User:…","host":"*","operation":3,"permission":3}
//	users/NAME                  {"SCRAM-SHA-512":{"salt":"…","storedKey":"…",…}} stands while any mechanism is set
//	secret                      {"salts":"…"}                                    written once
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
// An ACL stands under an id that is made of its content, in hexadecimal: who writes it
// again changes nothing.
//
// An entity of quotas is user=NAME, client=NAME or both with a slash between, escaped as in
// an URL's path; without =NAME it is the default of all users, or of all client ids.
//
// A broker epoch is the revision at which a broker's key was written; the values
// call it "incarnation", "before" the one that it goes on from, and "life" the
// process. "joined" is the broker epoch in which each replica, or each of the ISR,
// came into sync; its negative once the broker has resigned in that epoch. Layouts
// written before there was "joined" lack it; that counts as 0, not known. The
// revision of a directory's key is the broker epoch since which the broker has had it.
type Keys struct{ Prefix string }

// Format is the key that is written once.
func (k Keys) Format() string { return k.Prefix + "format" }

// Controller is the key of who is controller.
func (k Keys) Controller() string { return k.Prefix + "controller" }

// ProducerIDs is the key of the next producer id.
func (k Keys) ProducerIDs() string { return k.Prefix + "producer-ids" }

// Forgotten is the key of up to where history is gone. Nobody reads it.
func (k Keys) Forgotten() string { return k.Prefix + "forgotten" }

// Broker is the key of a registration.
func (k Keys) Broker(id protocol.BrokerID) string {
	return k.Prefix + "brokers/" + strconv.Itoa(int(id))
}

// Directory is the key of a broker's data directory.
func (k Keys) Directory(id protocol.BrokerID) string {
	return k.Prefix + "directories/" + strconv.Itoa(int(id))
}

// Leaving is the key that a broker has which is about to go.
func (k Keys) Leaving(id protocol.BrokerID) string {
	return k.Prefix + "leaving/" + strconv.Itoa(int(id))
}

// Suspect is the key of one broker's suspicion of another.
func (k Keys) Suspect(id, by protocol.BrokerID) string {
	return k.Prefix + "suspects/" + strconv.Itoa(int(id)) + "/" + strconv.Itoa(int(by))
}

// Suspects is the prefix of the suspicions of a broker.
func (k Keys) Suspects(id protocol.BrokerID) string {
	return k.Prefix + "suspects/" + strconv.Itoa(int(id)) + "/"
}

// Topic is the key of a topic, and of all whose names collide with its.
func (k Keys) Topic(name string) string { return k.Prefix + "topics/" + FoldName(name) }

// Partitions is the prefix of the keys of a topic's partitions.
func (k Keys) Partitions(id protocol.TopicID) string {
	return k.Prefix + "partitions/" + id.String() + "/"
}

// Partition is the key of a partition's state.
func (k Keys) Partition(id protocol.TopicID, index int32) string {
	return k.Partitions(id) + strconv.Itoa(int(index))
}

// ClusterConfig is the key of the settings of all brokers.
func (k Keys) ClusterConfig() string { return k.Prefix + "configs/cluster" }

// BrokerConfig is the key of one broker's settings.
func (k Keys) BrokerConfig(id protocol.BrokerID) string {
	return k.Prefix + "configs/brokers/" + strconv.Itoa(int(id))
}

// GroupConfig is the key of a consumer group's settings. The group's id, which
// may hold anything, is the rest of it.
func (k Keys) GroupConfig(group string) string { return k.Prefix + "configs/groups/" + group }

// ACL is the key of an ACL.
func (k Keys) ACL(id [16]byte) string { return k.Prefix + "acls/" + hex.EncodeToString(id[:]) }

// User is the key of a user's credentials. The name, which may hold anything, is the
// rest of it.
func (k Keys) User(name string) string { return k.Prefix + "users/" + name }

// Secret is the key of what only the brokers of the cluster know.
func (k Keys) Secret() string { return k.Prefix + "secret" }

// Quota is the key of an entity's quotas.
func (k Keys) Quota(entity string) string { return k.Prefix + "quotas/" + entity }

// KeyKind says what a key holds.
type KeyKind uint8

// The kinds of keys.
const (
	KeyUnknown KeyKind = iota // of a later version, or not ours: left alone
	KeyFormat
	KeyController
	KeyBroker
	KeyDirectory
	KeyLeaving
	KeySuspect
	KeyTopic
	KeyPartition
	KeyClusterConfig
	KeyBrokerConfig
	KeyGroupConfig
	KeyProducerIDs
	KeyACL
	KeyQuota
	KeyUser
	KeySecret
)

// Key is a key taken apart.
type Key struct {
	Kind   KeyKind
	Broker protocol.BrokerID // of a broker, its directory, leave, config or suspicion
	By     protocol.BrokerID // of a suspicion: who has it
	Folded string            // of a topic
	Topic  protocol.TopicID  // of a partition
	Index  int32             // of a partition
	Group  string            // of a group's config
	ACL    [16]byte          // of an ACL
	Entity string            // of quotas
	User   string            // of a user's credentials
}

// Parse takes a key apart.
func (k Keys) Parse(key string) Key {
	path, ok := strings.CutPrefix(key, k.Prefix)
	if !ok {
		return Key{}
	}
	head, rest, _ := strings.Cut(path, "/")
	switch head {
	case "format":
		return Key{Kind: KeyFormat}
	case "controller":
		return Key{Kind: KeyController}
	case "producer-ids":
		return Key{Kind: KeyProducerIDs}
	case "brokers":
		return brokerKey(KeyBroker, rest)
	case "directories":
		return brokerKey(KeyDirectory, rest)
	case "leaving":
		return brokerKey(KeyLeaving, rest)
	case "suspects":
		return suspectKey(rest)
	case "topics":
		return Key{Kind: KeyTopic, Folded: rest}
	case "partitions":
		return partitionKey(rest)
	case "configs":
		return configKey(rest)
	case "acls":
		return aclKey(rest)
	case "quotas":
		return Key{Kind: KeyQuota, Entity: rest}
	case "users":
		if rest != "" {
			return Key{Kind: KeyUser, User: rest}
		}
	case "secret":
		return Key{Kind: KeySecret}
	}
	return Key{}
}

func brokerKey(kind KeyKind, s string) Key {
	id, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return Key{}
	}
	return Key{Kind: kind, Broker: protocol.BrokerID(id)}
}

func configKey(s string) Key {
	if s == "cluster" {
		return Key{Kind: KeyClusterConfig}
	}
	if id, ok := strings.CutPrefix(s, "brokers/"); ok {
		return brokerKey(KeyBrokerConfig, id)
	}
	if group, ok := strings.CutPrefix(s, "groups/"); ok && group != "" {
		return Key{Kind: KeyGroupConfig, Group: group}
	}
	return Key{}
}

func aclKey(s string) Key {
	key := Key{Kind: KeyACL}
	if n, err := hex.Decode(key.ACL[:], []byte(s[:min(len(s), 2*len(key.ACL))])); err != nil || 2*n != len(s) || n != len(key.ACL) {
		return Key{}
	}
	return key
}

func suspectKey(s string) Key {
	id, by, _ := strings.Cut(s, "/")
	key, other := brokerKey(KeySuspect, id), brokerKey(KeySuspect, by)
	if key.Kind == KeyUnknown || other.Kind == KeyUnknown {
		return Key{}
	}
	key.By = other.Broker
	return key
}

func partitionKey(s string) Key {
	idText, indexText, _ := strings.Cut(s, "/")
	id, err := protocol.ParseTopicID(idText)
	if err != nil {
		return Key{}
	}
	index, err := strconv.ParseInt(indexText, 10, 32)
	if err != nil {
		return Key{}
	}
	return Key{Kind: KeyPartition, Topic: id, Index: int32(index)}
}

// FoldName maps topic names that collide in Kafka, where metrics write '.' as '_', to one.
func FoldName(name string) string { return strings.ReplaceAll(name, ".", "_") }
