package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
)

// askCoordinator has partitions added to a transaction, or looks whether they are in, by
// the transaction's coordinator: here or at another broker. done gets an error for each
// of them, in any goroutine. What may pass is COORDINATOR_LOAD_IN_PROGRESS.
func (s *Server) askCoordinator(r txnPartitions, done func([]error)) {
	n, ok := s.transactions.topic.Count()
	if !ok {
		done(sameError(&r, txn.ErrMapping)) // nobody was ever given a producer
		return
	}
	index := s.transactions.partitionOf(r.id, n)
	leader := protocol.NoBroker
	if t, ok := s.cluster.Image().Topic(transactionsTopic); ok {
		leader = t.Partitions[index].Leader
	}
	if leader == s.cfg.NodeID {
		s.transactions.runtime.Serve(index, func(sh *txnShard, err error) {
			s.addToTransaction(sh, err, r, func(codes []int16) { done(codeErrors(codes)) })
		})
		return
	}
	s.transactions.asking.Go(func() {
		errs, err := s.askOtherCoordinator(leader, &r)
		if err != nil {
			errs = sameError(&r, fmt.Errorf("%w: broker %d coordinates the transaction: %w", kerr.CoordinatorLoadInProgress, leader, err))
		}
		done(errs)
	})
}

func sameError(r *txnPartitions, err error) []error {
	errs := make([]error, len(r.partitions))
	for i := range errs {
		errs[i] = err
	}
	return errs
}

func codeErrors(codes []int16) []error {
	errs := make([]error, len(codes))
	for i, code := range codes {
		errs[i] = askedError(code)
	}
	return errs
}

// askedError is what a coordinator's code means to the producer whose batch waits for
// it: that another broker coordinates by now is nothing that it can act upon.
func askedError(code int16) error {
	switch code {
	case kerr.NotCoordinator.Code, kerr.CoordinatorNotAvailable.Code, kerr.ConcurrentTransactions.Code:
		return fmt.Errorf("%w: %w", kerr.CoordinatorLoadInProgress, kerr.ErrorForCode(code))
	case kerr.ProducerFenced.Code:
		return kerr.InvalidProducerEpoch // in a batch there is no other word for it
	}
	return kerr.ErrorForCode(code)
}

func (s *Server) askOtherCoordinator(leader protocol.BrokerID, r *txnPartitions) ([]error, error) {
	req := kmsg.NewPtrAddPartitionsToTxnRequest()
	req.Version = addPartitionsAsked
	of := kmsg.NewAddPartitionsToTxnRequestTransaction()
	of.TransactionalID, of.ProducerID, of.ProducerEpoch, of.VerifyOnly = r.id, r.producer.ID, r.producer.Epoch, r.verify
	for _, p := range r.partitions {
		of.Topics = append(of.Topics, kmsg.AddPartitionsToTxnRequestTransactionTopic{Topic: p.topic, Partitions: []int32{p.index}})
	}
	req.Transactions = append(req.Transactions, of)
	resp, err := s.callers.Call(context.Background(), leader, req)
	if err != nil {
		return nil, err
	}
	got := resp.(*kmsg.AddPartitionsToTxnResponse)
	if got.ErrorCode != 0 {
		return nil, kerr.ErrorForCode(got.ErrorCode)
	}
	var codes []int16
	if len(got.Transactions) == 1 {
		for _, t := range got.Transactions[0].Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	}
	if len(codes) != len(r.partitions) {
		return nil, errors.New("the answer is not that of the request")
	}
	return codeErrors(codes), nil
}

// joined remembers which transactional id a producer was found to have, and in which
// epoch, by partition: while its transaction is open there, the coordinator need not be
// asked for each batch. Safe for any goroutine.
type joined struct {
	mu sync.RWMutex
	by map[joinedKey]joinedBy
}

type joinedKey struct {
	partition protocol.TopicPartition
	producer  protocol.ProducerID
}

type joinedBy struct {
	epoch protocol.ProducerEpoch
	id    string
}

// joinedMax bounds what is remembered. Beyond it all is forgotten, and asked for again.
const joinedMax = 100_000

func (j *joined) has(key joinedKey, by joinedBy) bool {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.by[key] == by
}

func (j *joined) note(key joinedKey, by joinedBy) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.by == nil || len(j.by) >= joinedMax {
		j.by = make(map[joinedKey]joinedBy)
	}
	j.by[key] = by
}
