package broker

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
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

// noProducerEpoch is the epoch where there is no producer.
const noProducerEpoch = -1

// initProducerID gives an idempotent producer a new id with epoch 0, whatever
// id and epoch it says it has: some clients send zeros for none, and raising
// the epoch of those would hand one id to several producers.
func (s *Server) initProducerID(x *transport.Exchange, req *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := respond[*kmsg.InitProducerIDResponse](req)
	resp.ProducerID, resp.ProducerEpoch = int64(protocol.NoProducer), noProducerEpoch
	if req.TransactionalID != nil {
		resp.ErrorCode = codeOf(errNoTransactions)
		return resp
	}
	ctx, cancel := withinDefault(x)
	defer cancel()
	id, err := s.ids.take(ctx)
	if err != nil {
		s.log.Warn("no producer id to give", "client", protocol.PrintableShort(x.Header.ClientID), "error", err)
		resp.ErrorCode = codeOf(err)
		return resp
	}
	resp.ProducerID, resp.ProducerEpoch = int64(id), 0
	return resp
}
