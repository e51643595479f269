package protocol

import (
	"encoding/base64"
	"fmt"
	"strconv"
)

// The numbers of the protocol. Each has a type of its own, so that an offset
// cannot be passed where an epoch is meant.
type (
	// Offset is a record's position in its partition, from 0.
	Offset int64
	// LeaderEpoch counts a partition's leaderships, from 0; -1 means "not known" (KIP-101, KIP-320).
	LeaderEpoch int32
	// BrokerID is a broker's node id, from 1 by custom; -1 means "none".
	BrokerID int32
	// BrokerEpoch is the epoch of a broker's registration, which rises with each; 0 means "none, or not known" (KIP-903).
	BrokerEpoch int64
	// ProducerID names an idempotent producer; -1 means "none" (KIP-98).
	ProducerID int64
	// ProducerEpoch fences older incarnations of one producer id; -1 means "none".
	ProducerEpoch int16
	// Sequence numbers a producer's records in one partition, from 0, and wraps to 0 after math.MaxInt32.
	Sequence int32
)

// None is the basis of a writer that has read nothing, and the last offset of
// a lock that was never written. It is below every offset.
const None Offset = -1

// NoProducer is the producer id of a batch that is not idempotent.
const NoProducer ProducerID = -1

// NoBroker stands where there is no broker: a partition without a leader.
const NoBroker BrokerID = -1

// String prints an offset as contract texts do: "none" for None.
func (o Offset) String() string {
	if o == None {
		return "none"
	}
	return strconv.FormatInt(int64(o), 10)
}

// Before reports whether s comes before other, of two that are closer to each
// other than half of all sequences: after math.MaxInt32 comes 0.
func (s Sequence) Before(other Sequence) bool { return (other-s)<<1 > 0 }

// TopicID is a topic's UUID, given at creation and never used again (KIP-516).
type TopicID [16]byte

// IsZero reports whether the id is the zero UUID, which stands for "no id".
func (id TopicID) IsZero() bool { return id == TopicID{} }

// String is Kafka's form of a UUID: URL-safe base64 without padding.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// ParseTopicID reads what String writes.
func ParseTopicID(s string) (TopicID, error) {
	var id TopicID
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("id %q is not a UUID in base64", s)
	}
	return TopicID(b), nil
}

// TopicPartition names one partition for good: a topic deleted and created
// again under its old name has another id.
type TopicPartition struct {
	Topic TopicID
	Index int32
}

// String is TOPICID-INDEX.
func (p TopicPartition) String() string { return p.Topic.String() + "-" + strconv.Itoa(int(p.Index)) }
