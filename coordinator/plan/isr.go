package plan

import (
	"fmt"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// AlterISR is the partition with the ISR that its leader asks for. It refuses a
// change that was decided from another state than this one, and one that would be
// taken back at once. What it adds must still be registered when it is carried out.
func AlterISR(im *image.Image, now image.Partition, leader protocol.BrokerID,
	change protocol.ISRChange) (next image.Partition, err error) {
	if now.Leader != leader || now.LeaderEpoch != change.LeaderEpoch || now.PartitionEpoch != change.PartitionEpoch {
		return now, fmt.Errorf("%w: broker %d leads in epoch %d, at partition epoch %d", refusal.ErrFencedPartition,
			now.Leader, now.LeaderEpoch, now.PartitionEpoch)
	}
	for _, m := range change.ISR {
		if !slices.Contains(change.Added, m) && !slices.Contains(now.ISR, m) {
			return now, fmt.Errorf("%w: broker %d is not in sync in epoch %d", refusal.ErrInvalidRequest, m.ID, m.BrokerEpoch)
		}
	}
	for _, m := range change.Added {
		if b, ok := im.Broker(m.ID); ok && b.Leaving { // the next election would take it away again
			return now, fmt.Errorf("%w: broker %d is about to leave", refusal.ErrInvalidRequest, m.ID)
		}
	}
	next = now
	next.ISR = change.ISR
	return next, follows(&next, &now)
}

// follows refuses a next state that cannot follow this one.
func follows(next, p *image.Partition) error {
	switch {
	case next.PartitionEpoch != p.PartitionEpoch:
		return fmt.Errorf("%w: from epoch %d to %d", refusal.ErrFencedPartition, next.PartitionEpoch, p.PartitionEpoch)
	case next.LeaderEpoch < p.LeaderEpoch:
		return fmt.Errorf("%w: leader epoch %d is behind %d", refusal.ErrFencedPartition, next.LeaderEpoch, p.LeaderEpoch)
	case next.Leader != p.Leader && next.LeaderEpoch == p.LeaderEpoch:
		return fmt.Errorf("%w: a new leader needs a new leader epoch", refusal.ErrInvalidRequest)
	case len(next.ISR) == 0:
		return fmt.Errorf("%w: the ISR is empty", refusal.ErrInvalidRequest)
	case next.Leader != protocol.NoBroker && !next.InSync(next.Leader):
		return fmt.Errorf("%w: leader %d is not in the ISR %v", refusal.ErrInvalidRequest, next.Leader, next.ISR.IDs())
	}
	for i, m := range next.ISR {
		if !next.Hosts(m.ID) || next.ISR[:i].Has(m.ID) {
			return fmt.Errorf("%w: ISR %v is not a set of the replicas %v", refusal.ErrInvalidRequest, next.ISR.IDs(),
				next.Replicas)
		}
	}
	return nil
}
