package broker

import (
	"context"
	"sync"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
)

// producerIDBlock is how many ids are taken from the cluster at a time. What is
// left of a block when the broker stops is never given out.
const producerIDBlock = 1000

// producerIDs hands out producer ids, each once. Safe for any goroutine: those
// that find the block used up wait for the one that takes the next.
type producerIDs struct {
	cluster *coordinator.Cluster

	mu struct {
		sync.Mutex
		next, end protocol.ProducerID // next <= end: the ids that are left
	}
}

// take returns an id that nobody was given before.
func (p *producerIDs) take(ctx context.Context) (protocol.ProducerID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.next == p.mu.end {
		first, err := p.cluster.AllocateProducerIDs(ctx, producerIDBlock)
		if err != nil {
			return protocol.NoProducer, err
		}
		p.mu.next, p.mu.end = first, first+producerIDBlock
	}
	id := p.mu.next
	p.mu.next++
	return id, nil
}
