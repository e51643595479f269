package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/txn"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// knownTransaction is a transaction that is open or ending at a coordinator.
type knownTransaction struct {
	coordinator protocol.BrokerID
	id          string
	epoch       int16
	state       string
	partitions  []namedPartition
}

// foreignMarker is what becomes of a marker that no coordinator has numbered: that of
// a client, most often of kafka-transactions abort. It may end what no coordinator
// knows. Of a transaction that one knows it would end a part, and its owner would
// commit the rest: an abort ends all of it instead, by its coordinator, and a commit is
// refused. known is what a coordinator has of the producer, or nil.
func (s *Server) foreignMarker(
	x *transport.Exchange, known *knownTransaction, topic string, index int32, m replica.Marker, done func(error),
) {
	switch {
	case known == nil, int16(m.Epoch) < known.epoch && !slices.Contains(known.partitions, namedPartition{topic, index}):
		s.log.Info("a transaction that no coordinator knows is ended", "topic", topic, "partition", index,
			"producer", m.Producer, "epoch", m.Epoch, "commit", m.Commit)
		s.writeMarker(topic, index, m, done)
	case !m.Commit && int16(m.Epoch) == known.epoch && known.state == txn.Ongoing.String() &&
		slices.Contains(known.partitions, namedPartition{topic, index}):
		s.log.Info("a transaction is aborted in all its partitions: a client has asked for it in one", "topic", topic, "partition", index,
			"transactional_id", protocol.PrintableShort(known.id), "producer", m.Producer, "epoch", m.Epoch)
		ctx, cancel := withinDefault(x)
		defer cancel()
		done(s.abortByOthers(ctx, known.coordinator, known.id))
	default:
		s.log.Warn("a client's marker is refused: a coordinator knows the transaction; lockstep txn abort ends all of it", "topic", topic,
			"partition", index, "transactional_id", protocol.PrintableShort(known.id), "state", known.state, "producer", m.Producer, "epoch", m.Epoch)
		done(fmt.Errorf("%w: the transaction of %q is %s; its coordinator ends all of it (lockstep txn abort)",
			kerr.InvalidTxnState, protocol.PrintableShort(known.id), known.state))
	}
}

// transactionOf finds the transaction that is open or ending of a producer, at whichever
// coordinator; nil: there is none. If one does not answer, it is not known.
func (s *Server) transactionOf(ctx context.Context, producerID int64) (*knownTransaction, error) {
	for _, b := range s.cluster.Image().Brokers() {
		listed, err := s.askForTransactions(ctx, b.ID, producerID)
		if err != nil {
			return nil, fmt.Errorf("broker %d: %w", b.ID, err)
		}
		for _, id := range listed {
			known, err := s.askForTransaction(ctx, b.ID, id)
			if err != nil {
				return nil, fmt.Errorf("broker %d: %w", b.ID, err)
			}
			if known != nil {
				return known, nil
			}
		}
	}
	return nil, nil
}

// openStates are those of a transaction that its coordinator has to end yet.
var openStates = []txn.State{txn.Ongoing, txn.PrepareCommit, txn.PrepareAbort}

// askForTransactions are the transactional ids for which a broker coordinates an open
// transaction of the producer.
func (s *Server) askForTransactions(ctx context.Context, id protocol.BrokerID, producerID int64) (ids []string, err error) {
	req := kmsg.NewPtrListTransactionsRequest()
	req.ProducerIDFilters = []int64{producerID}
	for _, state := range openStates {
		req.StateFilters = append(req.StateFilters, state.String())
	}
	resp, err := s.askOrAnswer(ctx, id, req, func(done func(kmsg.Response)) { s.listTransactionsHere(req, done) })
	if err != nil {
		return nil, err
	}
	listed := resp.(*kmsg.ListTransactionsResponse)
	for i := range listed.TransactionStates {
		ids = append(ids, listed.TransactionStates[i].TransactionalID)
	}
	return ids, kerr.ErrorForCode(listed.ErrorCode)
}

// askForTransaction describes one; nil if it has ended meanwhile.
func (s *Server) askForTransaction(ctx context.Context, at protocol.BrokerID, id string) (*knownTransaction, error) {
	req := kmsg.NewPtrDescribeTransactionsRequest()
	req.TransactionalIDs = []string{id}
	resp, err := s.askOrAnswer(ctx, at, req, func(done func(kmsg.Response)) { s.describeTransactionsHere(req, done) })
	if err != nil {
		return nil, err
	}
	all := resp.(*kmsg.DescribeTransactionsResponse).TransactionStates
	if len(all) != 1 {
		return nil, errors.New("the answer is not that of the request")
	}
	d := &all[0]
	if err := kerr.ErrorForCode(d.ErrorCode); err != nil {
		return nil, err
	}
	state, ok := txn.ParseState(d.State)
	if !ok || !slices.Contains(openStates, state) {
		return nil, nil
	}
	known := &knownTransaction{coordinator: at, id: id, epoch: d.ProducerEpoch, state: d.State}
	for _, t := range d.Topics {
		for _, index := range t.Partitions {
			known.partitions = append(known.partitions, namedPartition{t.Topic, index})
		}
	}
	return known, nil
}

// abortByOthers has a coordinator abort a transaction that is not the caller's, and
// returns when its markers are written.
func (s *Server) abortByOthers(ctx context.Context, at protocol.BrokerID, id string) error {
	req := kmsg.NewPtrEndTxnRequest()
	req.Version = endTxnVersion
	req.TransactionalID = id
	req.UnknownTags.Set(protocol.TagEndByOthers, []byte{1})
	resp, err := s.askOrAnswer(ctx, at, req, func(done func(kmsg.Response)) {
		s.transactions.serveHere(id, func(sh *txnShard, err error) { s.endByOthers(req, sh, err, func(*txnShard, txn.CallID) {}, done) })
	})
	if err != nil {
		return err
	}
	return kerr.ErrorForCode(resp.(*kmsg.EndTxnResponse).ErrorCode)
}

// askOrAnswer asks another broker, or has this one answer itself.
func (s *Server) askOrAnswer(
	ctx context.Context, id protocol.BrokerID, req kmsg.Request, here func(done func(kmsg.Response)),
) (kmsg.Response, error) {
	if id != s.cfg.NodeID {
		return s.callers.Call(ctx, id, req)
	}
	answer := make(chan kmsg.Response, 1)
	here(func(resp kmsg.Response) { answer <- resp })
	select {
	case resp := <-answer:
		return resp, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
