package broker

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
)

// The versions of EndTxn at which something begins.
const (
	endTxnFenced    = 2 // PRODUCER_FENCED; before it, INVALID_PRODUCER_EPOCH
	endTxnAbortable = 4 // TRANSACTION_ABORTABLE; before it, INVALID_TXN_STATE
	endTxnBumps     = 5 // the answer has the producer that the client goes on as
	endTxnVersion   = 5 // that brokers use
)

// endTxn is answered when the markers are in the logs.
func (s *Server) endTxn(x *transport.Exchange, req *kmsg.EndTxnRequest) kmsg.Response {
	t := s.transactions
	answer := func(resp kmsg.Response) { sendResponse(x, resp) }
	onWait := func(sh *txnShard, call txn.CallID) {
		x.OnDisconnect(func() { sh.Abandon(callOf(call), x.HangUp) })
	}
	t.serve(x, req.TransactionalID, func(sh *txnShard, err error) {
		if isByOthers(req) {
			s.endByOthers(req, sh, err, onWait, answer)
			return
		}
		if err != nil {
			answer(endedTxn(req, txn.Producer{}, err))
			return
		}
		t.withProducerIDs(sh, func(sh *txnShard) error { return t.end(req, sh, onWait, answer) },
			func(err error) { answer(endedTxn(req, txn.Producer{}, err)) })
	})
	return nil
}

// end handles an EndTxn in the loop. ErrNoProducerIDs is not answered.
func (t *transactions) end(
	req *kmsg.EndTxnRequest, sh *txnShard, onWait func(*txnShard, txn.CallID), answer func(kmsg.Response),
) error {
	call := parkEnd(sh, req, answer)
	p, done, fx, err := sh.Machine().End(t.nowMs(), txn.EndRequest{
		TransactionalID: req.TransactionalID, Producer: txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch},
		Commit: req.Commit, Bumps: req.Version >= endTxnBumps, Call: call,
	})
	if done {
		sh.Forget(callOf(call))
	} else {
		onWait(sh, call)
	}
	if errors.Is(err, txn.ErrNoProducerIDs) {
		return err
	}
	sh.Apply(sh.Machine().effects(fx))
	if done {
		sh.After(func(lost error) { answer(endedTxn(req, p, errors.Join(err, lost))) })
	}
	return nil
}

// endByOthers handles an abort by somebody who is not the transaction's producer.
func (s *Server) endByOthers(
	req *kmsg.EndTxnRequest, sh *txnShard, err error, onWait func(*txnShard, txn.CallID), answer func(kmsg.Response),
) {
	if err != nil {
		answer(endedTxn(req, txn.Producer{}, err))
		return
	}
	call := parkEnd(sh, req, answer)
	p, done, fx, err := sh.Machine().Abort(s.transactions.nowMs(), req.TransactionalID, call)
	if done {
		sh.Forget(callOf(call))
	} else {
		onWait(sh, call)
	}
	sh.Apply(sh.Machine().effects(fx))
	if done {
		sh.After(func(lost error) { answer(endedTxn(req, p, errors.Join(err, lost))) })
	}
}

// parkEnd keeps an EndTxn until the markers are in the logs.
func parkEnd(sh *txnShard, req *kmsg.EndTxnRequest, answer func(kmsg.Response)) txn.CallID {
	return txn.CallID(sh.Park(func(response any, err error) {
		if err != nil {
			answer(endedTxn(req, txn.Producer{}, err))
			return
		}
		r := response.(txn.Reply)
		answer(endedTxn(req, r.Producer, r.Err))
	}))
}

func endedTxn(req *kmsg.EndTxnRequest, p txn.Producer, err error) kmsg.Response {
	resp := respond[*kmsg.EndTxnResponse](req)
	resp.ProducerID, resp.ProducerEpoch = int64(protocol.NoProducer), noProducerEpoch
	switch {
	case err == nil && req.Version >= endTxnBumps:
		resp.ProducerID, resp.ProducerEpoch = p.ID, p.Epoch
	case errors.Is(err, txn.ErrAbortable) && req.Version < endTxnAbortable:
		err = kerr.InvalidTxnState
	}
	resp.ErrorCode = fencedCode(err, req.Version >= endTxnFenced)
	return resp
}

// fencedCode is codeOf for what may be refused to a producer that a newer one has
// fenced: clients of old know one word for it, and newer ones another.
func fencedCode(err error, newer bool) int16 {
	if errors.Is(err, txn.ErrFenced) && !newer {
		return kerr.InvalidProducerEpoch.Code
	}
	return codeOf(err)
}

func isByOthers(req *kmsg.EndTxnRequest) (others bool) {
	req.UnknownTags.Each(func(tag uint32, value []byte) {
		others = others || tag == protocol.TagEndByOthers && len(value) == 1 && value[0] == 1
	})
	return others
}
