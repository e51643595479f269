package store

import (
	"encoding/json"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// The values of the store's keys; keys.go draws the layout. Fields that a later
// version adds are ignored; what this version cannot do without would raise FormatVersion.

// FormatValue is the first thing that is written.
type FormatValue struct {
	Version   int    `json:"version"`
	ClusterID string `json:"clusterId"`
}

// BrokerValue is a registration.
type BrokerValue struct {
	Endpoints []EndpointValue `json:"endpoints"`
	Rack      string          `json:"rack,omitempty"`
	HTTP      string          `json:"http,omitempty"`
	Directory string          `json:"directory,omitempty"`
	Process   string          `json:"life,omitempty"`

	PreviousEpoch protocol.BrokerEpoch `json:"before,omitempty"`
	Lost          []LostValue          `json:"lost,omitempty"`
	LostSince     protocol.BrokerEpoch `json:"lostSince,omitempty"`
}

// LostValue is the partitions of one topic whose logs a broker has lost.
type LostValue struct {
	Topic      string  `json:"topic"`
	Partitions []int32 `json:"partitions"`
}

// DirectoryValue is the data directory that a broker was last registered with.
type DirectoryValue struct {
	Directory string `json:"directory"`
}

// SuspectValue is the broker epoch in which a broker is suspected.
type SuspectValue struct {
	Epoch protocol.BrokerEpoch `json:"incarnation"`
}

// EndpointValue is an advertised address.
type EndpointValue struct {
	Name string `json:"name"`
	Host string `json:"host"`
	Port int32  `json:"port"`
}

// ControllerValue is who is controller.
type ControllerValue struct {
	Broker protocol.BrokerID `json:"broker"`
}

// TopicValue is a topic and how its partitions were made. Joined stands beside Replicas.
type TopicValue struct {
	Name     string                   `json:"name"`
	ID       string                   `json:"id"`
	Replicas [][]protocol.BrokerID    `json:"replicas"`
	Joined   [][]protocol.BrokerEpoch `json:"joined,omitempty"`
	Configs  map[string]string        `json:"configs,omitempty"`
}

// PartitionValue is the state of a partition. Joined stands beside ISR.
type PartitionValue struct {
	Leader         protocol.BrokerID      `json:"leader"`
	LeaderEpoch    protocol.LeaderEpoch   `json:"leaderEpoch"`
	ISR            []protocol.BrokerID    `json:"isr"`
	Joined         []protocol.BrokerEpoch `json:"joined,omitempty"`
	PartitionEpoch int32                  `json:"partitionEpoch"`
	Replicas       []protocol.BrokerID    `json:"replicas,omitempty"` // once reassigned
	Adding         []protocol.BrokerID    `json:"adding,omitempty"`
	Removing       []protocol.BrokerID    `json:"removing,omitempty"`
}

// ForgottenValue is up to where history was forgotten.
type ForgottenValue struct {
	Revision int64 `json:"revision"`
}

// ProducerIDsValue is the next producer id that nobody was given.
type ProducerIDsValue struct {
	Next protocol.ProducerID `json:"next"`
}

// ACLValue is an ACL, in the numbers of the Kafka protocol.
type ACLValue struct {
	Type       int8   `json:"type"`
	Pattern    int8   `json:"pattern"`
	Name       string `json:"name"`
	Principal  string `json:"principal"`
	Host       string `json:"host"`
	Operation  int8   `json:"operation"`
	Permission int8   `json:"permission"`
}

// UserValue is a user's credentials, by the mechanism of SCRAM.
type UserValue map[string]ScramValue

// ScramValue is what is kept of a password (RFC 5802).
type ScramValue struct {
	Salt       []byte `json:"salt"`
	StoredKey  []byte `json:"storedKey"`
	ServerKey  []byte `json:"serverKey"`
	Iterations int    `json:"iterations"`
}

// SecretValue is random bytes of the cluster's own.
type SecretValue struct {
	Salts []byte `json:"salts"` // by which users that are unknown get salts
}

// Encode makes a value of a key. It cannot fail on the types above.
func Encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("store: encode %T: %v", v, err))
	}
	return b
}

// Decode reads a value of a key.
func Decode[V any](kv KeyValue) (V, error) {
	var v V
	if err := json.Unmarshal(kv.Value, &v); err != nil {
		return v, fmt.Errorf("key %s at revision %d: %w", kv.Key, kv.ModRevision, err)
	}
	return v, nil
}
