package coordinator

import (
	"context"
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// AlterPartition changes who leads a partition and who is in sync. next is the
// new state, with the PartitionEpoch of the state it was decided from; the
// store gets that plus one. ErrFencedPartition: the partition has moved on since.
func (c *Cluster) AlterPartition(ctx context.Context, id protocol.TopicID, next Partition) error {
	return c.change(ctx, func(im *Image) decision {
		t, ok := im.TopicByID(id)
		if !ok {
			return decision{err: fmt.Errorf("%w: id %s", ErrUnknownTopic, id)}
		}
		if next.Index < 0 || int(next.Index) >= len(t.Partitions) {
			return decision{compares: []Compare{c.unchanged(t)}, err: fmt.Errorf("%w: %s-%d", ErrUnknownPartition, t.Name, next.Index)}
		}
		now := &t.Partitions[next.Index]
		key := c.keys.partition(id, next.Index)
		d := decision{compares: []Compare{c.unchanged(t), {Key: key, ModRevision: now.stateRevision}}}
		if err := now.admits(&next); err != nil {
			d.err = fmt.Errorf("partition %s-%d: %w", t.Name, next.Index, err)
			return d
		}
		v := next.value()
		v.PartitionEpoch++
		d.ops = []Op{Put(key, encode(v))}
		return d
	})
}

// admits refuses a next state that cannot follow this one.
func (p *Partition) admits(next *Partition) error {
	switch {
	case next.PartitionEpoch != p.PartitionEpoch:
		return fmt.Errorf("%w: from epoch %d to %d", ErrFencedPartition, next.PartitionEpoch, p.PartitionEpoch)
	case next.LeaderEpoch < p.LeaderEpoch:
		return fmt.Errorf("%w: leader epoch %d is behind %d", ErrFencedPartition, next.LeaderEpoch, p.LeaderEpoch)
	case next.Leader != p.Leader && next.LeaderEpoch == p.LeaderEpoch:
		return fmt.Errorf("%w: a new leader needs a new leader epoch", ErrInvalidRequest)
	case len(next.ISR) == 0:
		return fmt.Errorf("%w: the ISR is empty", ErrInvalidRequest)
	case next.Leader != protocol.NoBroker && !slices.Contains(next.ISR, next.Leader):
		return fmt.Errorf("%w: leader %d is not in the ISR %v", ErrInvalidRequest, next.Leader, next.ISR)
	}
	for i, id := range next.ISR {
		if !slices.Contains(p.Replicas, id) || slices.Contains(next.ISR[:i], id) {
			return fmt.Errorf("%w: ISR %v is not a set of the replicas %v", ErrInvalidRequest, next.ISR, p.Replicas)
		}
	}
	return nil
}
