package broker

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
)

const (
	// noProducerEpoch is the epoch where there is no producer.
	noProducerEpoch = -1
	// initProducerFenced is the version of InitProducerId from which on clients know
	// PRODUCER_FENCED.
	initProducerFenced = 4
)

// initProducerID gives an idempotent producer a new id with epoch 0, whatever
// id and epoch it says it has: some clients send zeros for none, and raising
// the epoch of those would hand one id to several producers. Those of a
// transactional producer are its coordinator's to give.
func (s *Server) initProducerID(x *transport.Exchange, req *kmsg.InitProducerIDRequest) kmsg.Response {
	if req.TransactionalID != nil {
		s.initTransactional(x, req)
		return nil
	}
	resp := respond[*kmsg.InitProducerIDResponse](req)
	resp.ProducerID, resp.ProducerEpoch = int64(protocol.NoProducer), noProducerEpoch
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

// initTransactional has the coordinator of a transactional id say who writes for it from
// now on. A transaction that is open is aborted first: the client is told to come again.
func (s *Server) initTransactional(x *transport.Exchange, req *kmsg.InitProducerIDRequest) {
	t := s.transactions
	answer := func(p txn.Producer, err error) {
		resp := respond[*kmsg.InitProducerIDResponse](req)
		resp.ProducerID, resp.ProducerEpoch = p.ID, p.Epoch
		if err != nil {
			resp.ProducerID, resp.ProducerEpoch = int64(protocol.NoProducer), noProducerEpoch
			resp.ErrorCode = fencedCode(err, req.Version >= initProducerFenced)
		}
		sendResponse(x, resp)
	}
	refuse := func(err error) { answer(txn.Producer{}, err) }
	init := txn.InitRequest{
		TransactionalID: *req.TransactionalID, TimeoutMs: req.TransactionTimeoutMillis,
		Producer: txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch},
	}
	command := func(sh *txnShard) error {
		p, fx, err := sh.Machine().Init(t.nowMs(), init)
		if errors.Is(err, txn.ErrNoProducerIDs) {
			return err
		}
		sh.Apply(sh.Machine().effects(fx))
		sh.After(func(lost error) { answer(p, errors.Join(err, lost)) })
		return nil
	}
	t.serve(x, init.TransactionalID, func(sh *txnShard, err error) {
		if err != nil {
			refuse(err)
			return
		}
		t.withProducerIDs(sh, command, refuse)
	})
}
