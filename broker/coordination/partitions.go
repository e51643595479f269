package coordination

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// Partitions are those of the topic, as this broker has them. It is asked from
// the runtime's loop and from loads.
type Partitions interface {
	// Led are the partitions that the metadata has this broker lead, as far as they
	// are open and their disk has not failed.
	Led() map[int32]Leadership
	// Opening reports whether the metadata has this broker lead a partition that is
	// not open yet, and may be.
	Opening(index int32) bool
	// MinInsync is how many replicas in sync an append asks for, if there are as many.
	MinInsync() int
	// Changed is closed when Led, or what else the broker follows, may be different.
	Changed() <-chan struct{}
}

// Leadership is what a shard lives for: this broker leads a partition, in one epoch.
type Leadership struct {
	Partition Partition
	Epoch     protocol.LeaderEpoch
}

// Partition is what the runtime asks of a partition: to be read, appended to and
// watched. A replica.Partition is one.
type Partition interface {
	State() *replica.State
	Start() protocol.Offset
	End() protocol.Offset
	HighWatermark() protocol.Offset
	Log() *segment.Log
	Watch(replica.Waker)
	Unwatch(replica.Waker)
	Propose(*replica.Proposal)
	WriteMarker(m replica.Marker, timeoutMs int64, done func(error))
	OpenTransaction(protocol.ProducerID) (epoch protocol.ProducerEpoch, first protocol.Offset, open bool)
}

var _ Partition = (*replica.Partition)(nil)
