package coordinator

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// Options of a Cluster.
type Options struct {
	// Store holds the metadata. It stays the caller's: Close does not close it.
	Store Store
	// Self is this broker as others shall see it. Incarnation is given by Register.
	Self Broker
	// Logger is told of changes of state. Default: slog.Default().
	Logger *slog.Logger
	// ExpectClusterID refuses a store that holds another cluster, or none yet. "" = any.
	ExpectClusterID string
	// Prefix stands before every key. Default: "/lockstep/".
	Prefix string
	// SessionTimeout is how long a silent broker counts as alive. Default: 3 s.
	SessionTimeout time.Duration
	// RequestTimeout bounds a change that comes without a deadline. Default: 30 s.
	RequestTimeout time.Duration
	// DefaultPartitions and DefaultReplicationFactor stand for -1 in NewTopic. Default: 1.
	DefaultPartitions        int32
	DefaultReplicationFactor int16
	// MaxPartitionsPerTopic bounds one topic. Default: 10,000.
	MaxPartitionsPerTopic int
	// MaxPartitions bounds the cluster. Default: 200,000.
	MaxPartitions int
	// Rand makes topic ids and the cluster id. Default: crypto/rand.
	Rand io.Reader
}

// NewTopic asks for a topic. Either Assignment is nil, or Partitions and
// ReplicationFactor are -1.
type NewTopic struct {
	Name              string
	Partitions        int32 // -1 = the default
	ReplicationFactor int16 // -1 = the default
	// Assignment gives each partition's replicas, the preferred leader first.
	Assignment map[int32][]protocol.BrokerID
	Configs    map[string]string
}

// Cluster keeps the newest Image and changes the store.
type Cluster struct{}

// Open loads the image.
func Open(ctx context.Context, o Options) (*Cluster, error) { return nil, ErrClosed }

// Run follows the store until ctx ends.
func (c *Cluster) Run(ctx context.Context) error { return ErrClosed }

// Image returns the newest image, without a lock.
func (c *Cluster) Image() *Image { return nil }

// Changed returns a channel that is closed at the next image.
func (c *Cluster) Changed() <-chan struct{} { return nil }

// Register makes this broker known to all.
func (c *Cluster) Register(ctx context.Context) error { return ErrClosed }

// Close takes this broker's registration back and ends Run.
func (c *Cluster) Close(ctx context.Context) error { return ErrClosed }

// CreateTopic creates a topic.
func (c *Cluster) CreateTopic(ctx context.Context, t NewTopic, validateOnly bool) (*Topic, error) {
	return nil, ErrClosed
}

// DeleteTopic deletes a topic by name.
func (c *Cluster) DeleteTopic(ctx context.Context, name string) error { return ErrClosed }

// DeleteTopicByID deletes a topic by id.
func (c *Cluster) DeleteTopicByID(ctx context.Context, id protocol.TopicID) error { return ErrClosed }

// CreatePartitions raises a topic's number of partitions to total. The
// assignment, if not nil, gives the replicas of the new partitions in order.
func (c *Cluster) CreatePartitions(ctx context.Context, name string, total int32, assignment [][]protocol.BrokerID, validateOnly bool) error {
	return ErrClosed
}

// AlterTopicConfigs changes a topic's overrides.
func (c *Cluster) AlterTopicConfigs(ctx context.Context, name string, set map[string]string, unset []string, replaceAll, validateOnly bool) error {
	return ErrClosed
}

// AlterClusterConfigs changes the settings of all brokers.
func (c *Cluster) AlterClusterConfigs(ctx context.Context, set map[string]string, unset []string, replaceAll, validateOnly bool) error {
	return ErrClosed
}

// AlterBrokerConfigs changes the settings of one broker.
func (c *Cluster) AlterBrokerConfigs(ctx context.Context, id protocol.BrokerID, set map[string]string, unset []string, replaceAll, validateOnly bool) error {
	return ErrClosed
}

// AllocateProducerIDs takes n producer ids that nobody was given before.
func (c *Cluster) AllocateProducerIDs(ctx context.Context, n int64) (protocol.ProducerID, error) {
	return 0, ErrClosed
}
