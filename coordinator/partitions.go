package coordinator

import (
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

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
	case next.Leader != protocol.NoBroker && !next.InSync(next.Leader):
		return fmt.Errorf("%w: leader %d is not in the ISR %v", ErrInvalidRequest, next.Leader, next.ISR)
	}
	for i, m := range next.ISR {
		if !next.Hosts(m.ID) || next.ISR[:i].Has(m.ID) {
			return fmt.Errorf("%w: ISR %v is not a set of the replicas %v", ErrInvalidRequest, next.ISR, next.Replicas)
		}
	}
	return nil
}
