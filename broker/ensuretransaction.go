package broker

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// The versions of Produce at which something begins for transactions.
const (
	produceAbortable = 11 // TRANSACTION_ABORTABLE; before it, INVALID_TXN_STATE
	produceJoins     = 12 // a batch adds its partition to the transaction itself (KIP-890)
)

// joining is a batch of a transaction on its way into a partition.
type joining struct {
	part      *producePart
	records   []byte
	partition *replica.Partition
	topic     string
	batch     record.Batch
	ended     protocol.Offset // where the producer's last marker was before anybody was asked
	err       error
}

// key is the batch's producer in its partition.
func (j *joining) key() joinedKey { return joinedKey{j.partition.ID(), j.batch.ProducerID()} }

// ensureInTransaction sees to it that the partitions of a request's batches are in the
// transaction, and that producer, epoch and transactional id belong together. The
// coordinator is asked for those whose transaction is not open in the partition, or was
// not seen to be that producer's. It returns when all are known.
func (s *Server) ensureInTransaction(version int16, id string, all []*joining) {
	var ask []*joining
	for _, j := range all {
		state := j.partition.Transaction(j.batch.ProducerID())
		j.ended = state.Ended
		open := state.Open && state.Epoch == j.batch.ProducerEpoch()
		if !open || !s.joined.has(j.key(), joinedBy{j.batch.ProducerEpoch(), id}) {
			ask = append(ask, j)
		}
	}
	if len(ask) == 0 {
		return
	}
	for _, same := range byProducer(ask) {
		s.askJoining(version, id, same)
	}
}

// byProducer are the batches of each producer and epoch: a client sends one's.
func byProducer(all []*joining) (groups [][]*joining) {
	at := make(map[txn.Producer]int)
	for _, j := range all {
		p := txn.Producer{ID: int64(j.batch.ProducerID()), Epoch: int16(j.batch.ProducerEpoch())}
		i, ok := at[p]
		if !ok {
			i = len(groups)
			at[p] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], j)
	}
	return groups
}

// askJoining has the coordinator add the partitions of one producer's batches, or verify
// that they were added, and waits for it.
func (s *Server) askJoining(version int16, id string, all []*joining) {
	b := all[0].batch
	r := txnPartitions{
		id: id, producer: txn.Producer{ID: int64(b.ProducerID()), Epoch: int16(b.ProducerEpoch())},
		byBroker: true, verify: version < produceJoins,
	}
	for _, j := range all {
		r.partitions = append(r.partitions, namedPartition{j.topic, j.partition.ID().Index})
	}
	answer := make(chan []error, 1)
	s.askCoordinator(r, func(errs []error) { answer <- errs })
	for i, err := range <-answer {
		j := all[i]
		if j.err = joiningError(version, err); j.err == nil {
			s.joined.note(j.key(), joinedBy{b.ProducerEpoch(), id})
		}
	}
}

// joiningError is what a producer is told of its coordinator's answer. Older clients
// retry few errors of Produce: what may pass is one of those.
func joiningError(version int16, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, kerr.TransactionAbortable) && version < produceAbortable:
		return fmt.Errorf("%w: Partition was not added to the transaction", kerr.InvalidTxnState)
	case errors.Is(err, kerr.CoordinatorLoadInProgress), errors.Is(err, kerr.OperationNotAttempted):
		return fmt.Errorf("%w: unable to verify the partition has been added to the transaction: %w", kerr.NotEnoughReplicas, err)
	}
	return err
}

// mayJoin refuses batches that can be in no transaction of the request's id.
func mayJoin(id *string, b record.Batch) error {
	switch {
	case id == nil:
		return fmt.Errorf("%w: a batch of a transaction comes without a transactional id", kerr.TransactionalIDAuthorizationFailed)
	case *id == "":
		return fmt.Errorf("%w: the transactional id is empty", kerr.InvalidRequest)
	}
	return nil
}

// proposeJoined has the partitions of a request's batches be in their transaction, and proposes
// the batches for which that is so.
func (s *Server) proposeJoined(p *producing) {
	s.ensureInTransaction(p.req.Version, *p.req.TransactionID, p.joins)
	for _, j := range p.joins {
		if j.err != nil {
			p.away.note(j.topic, j.part.index, j.records)
			j.part.fail(j.err)
			j.part.finish()
			continue
		}
		j.part.Joins, j.part.FirstAtZero = &j.ended, p.req.Version >= produceJoins
		j.partition.Propose(&j.part.Proposal)
	}
}

// isNobodysTransaction reports whether a batch is one of a transaction, and of no producer.
func isNobodysTransaction(raw []byte) bool {
	b, _, err := record.View(raw)
	return err == nil && b.Transactional() && b.ProducerID() == protocol.NoProducer
}
