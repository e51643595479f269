package admin

import (
	"iter"
	"net/http"
	"time"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// Source is the broker, to be read. All but ID, Ready and Unserved is asked only
// when the broker is ready.
type Source interface {
	ID() protocol.BrokerID
	// Ready reports whether the broker has ever been ready.
	Ready() bool
	Metadata() Metadata
	Hosted() Hosted
	// Peers are the brokers that ought to be there, as far as that is configured.
	Peers() []protocol.BrokerID
	// Problems are what is wrong with this broker itself, in sentences.
	Problems() []string
	// DiskIsLow reports that the disk takes no writes, for want of room.
	DiskIsLow() bool
	// DiskFree is how much room the disk has left, in bytes, where that can be told.
	DiskFree() (bytes uint64, ok bool)
	// LockWindowBytes is the memory that the windows of all lock tables hold.
	LockWindowBytes() int64
	// FetchSessions are those of consumers (KIP-227).
	FetchSessions() FetchSessions
	// Viewer is who sent a request; an error is one whose credentials are wrong.
	Viewer(*http.Request) (Viewer, error)
	// ShowsLockNames reports whether metrics may have names of locks.
	ShowsLockNames() bool
	// Groups are the consumer groups that this broker coordinates.
	Groups() []Group
	// Transactions are the transactions that it coordinates.
	Transactions() Transactions
	// ClientRefusals are the latest of this broker's refusals that a client id got, oldest first.
	ClientRefusals(client string) []ClientRefusal
}

// ClientRefusal is a refusal, and the client id of who got it.
type ClientRefusal struct {
	Client    string // as it can be printed, and shortened
	Topic     string
	Partition int32
	TimeMs    int64
	Refusal   protocol.Refusal
}

// FetchSessions is how many there are, of how many partitions together, and how many
// were ever evicted.
type FetchSessions struct {
	Sessions, Partitions int
	Evictions            uint64
}

// Metadata is the cluster as this broker knows it. A coordinator.Cluster is one.
type Metadata interface {
	Image() *image.Image
	StoreGone() (since time.Time, gone bool)
	StoreUsage() (usage coordinator.StoreUsage, known bool)
}

// Hosted are the partitions that this broker holds replicas of. A partitions.Host
// is such.
type Hosted interface {
	Topic(name string) *partitions.Topic
	TopicByID(id protocol.TopicID) *partitions.Topic
	Topics() iter.Seq[*partitions.Topic]
	Each(func(*partitions.Topic, *partitions.Partition))
}

// Group is one consumer group as of one moment.
type Group struct {
	group.Listing
	Offsets []group.Committed
}
