package partitions

import (
	"errors"
	"log/slog"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// Topic is one topic's partitions on this broker and what they share. It is
// immutable: a topic that changes is another Topic with the same partitions.
type Topic struct {
	of       *image.Topic // as the image has it
	Name     string
	ID       protocol.TopicID
	Settings settings.Topic
	// Compression is what batches are compressed by; nil: as they were sent.
	Compression *record.Compression
	overrides   map[string]string
	Partitions  []*Partition // by index; nil where another broker hosts it or it would not open
	Metrics     any          // what Options.Metrics gave for it
}

// Partition returns partition i, or nil.
func (t *Topic) Partition(i int32) *Partition {
	if t == nil || i < 0 || int(i) >= len(t.Partitions) {
		return nil
	}
	return t.Partitions[i]
}

// Policy is the topic's conflict.policy.
func (t *Topic) Policy() conflict.Policy {
	switch t.Settings.ConflictPolicy {
	case settings.ConflictOff:
		return conflict.Off
	case settings.ConflictRequired:
		return conflict.Required
	case settings.ConflictCarry:
		return conflict.Carry
	default:
		return conflict.Optional
	}
}

// Partition is a hosted partition, or the reason why there is none.
type Partition struct {
	*replica.Partition
	Index  int32
	Broken error        // set instead of Partition when the log would not open, or is lost
	Prefix *segment.Log // of a damaged log, what can be read; nil: nothing, or others have it
	// Transactions are those of Prefix; nil without it.
	Transactions *replica.Transactions
	log          *slog.Logger

	applied int32 // the partition epoch that it was told last; -1: none. Owned by Host.Run.
}

// IsOpen reports whether there is a replica.
func (p *Partition) IsOpen() bool { return p != nil && p.Partition != nil }

// IsWritable reports whether the partition is open and its disk has not failed.
func (p *Partition) IsWritable() bool { return p.IsOpen() && !p.Failed() }

// NoteDamage notes what a reader found: the replica goes offline until the broker
// starts anew. Damage is never served, and never skipped. That there is no
// descriptor to read by is none.
func (p *Partition) NoteDamage(err error) {
	if p != nil && !segment.Shortage(err) { // nil: it is known to be damaged, and its readable prefix is read
		p.Fail(err)
	}
}

// Damage is why the partition is not to be read, or nil.
func (p *Partition) Damage() error {
	if !p.Failed() {
		return nil
	}
	if err := p.State().Err; err != nil {
		return err
	}
	return replica.ErrStorage
}

// Problem is why a replica that this broker holds does not serve, or nil.
func (p *Partition) Problem() error {
	switch {
	case p == nil:
		return nil
	case p.Broken != nil:
		return p.Broken
	default:
		return p.Damage()
	}
}

// Unsettled reports whether the partition does not know yet what earlier leaders
// committed. One that is offline never will.
func (p *Partition) Unsettled() bool {
	st := p.State()
	return st.Role != replica.RoleOffline && !st.Settled
}

// IsCorrupt reports whether an error says that a log is damaged.
func IsCorrupt(err error) bool {
	var ce *segment.CorruptError
	return errors.As(err, &ce)
}
