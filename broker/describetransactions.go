package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// describeTransactions describes transactional ids that this broker coordinates (KIP-664).
func (s *Server) describeTransactions(x *transport.Exchange, req *kmsg.DescribeTransactionsRequest) kmsg.Response {
	x.ReleaseFrame()
	s.describeTransactionsHere(req, func(resp kmsg.Response) { sendResponse(x, resp) })
	return nil
}

func (s *Server) describeTransactionsHere(req *kmsg.DescribeTransactionsRequest, answer func(kmsg.Response)) {
	resp := respond[*kmsg.DescribeTransactionsResponse](req)
	resp.TransactionStates = make([]kmsg.DescribeTransactionsResponseTransactionState, len(req.TransactionalIDs))
	each := func(i int, sh *txnShard, err error, done func()) {
		id := req.TransactionalIDs[i]
		var d txn.Description
		if err == nil {
			d, err = sh.Machine().Describe(id)
		}
		resp.TransactionStates[i] = describedTransaction(id, d, err)
		if sh == nil || err != nil {
			done()
			return
		}
		sh.After(func(lost error) {
			if lost != nil {
				resp.TransactionStates[i] = describedTransaction(id, txn.Description{}, lost)
			}
			done()
		})
	}
	n, ok := s.transactions.topic.Count()
	var err error
	if !ok {
		err = errNoCoordinator
	}
	s.transactions.eachOf(req.TransactionalIDs, n, err, each, func() { answer(resp) })
}

func describedTransaction(id string, d txn.Description, err error) kmsg.DescribeTransactionsResponseTransactionState {
	out := kmsg.NewDescribeTransactionsResponseTransactionState()
	out.TransactionalID, out.ErrorCode = id, codeOf(err)
	out.Topics = []kmsg.DescribeTransactionsResponseTransactionStateTopic{}
	if err != nil {
		return out
	}
	out.State, out.TimeoutMillis, out.StartTimestamp = d.State.String(), d.TimeoutMs, d.StartMs
	out.ProducerID, out.ProducerEpoch = d.Producer.ID, d.Producer.Epoch
	for _, p := range d.Partitions {
		if n := len(out.Topics); n == 0 || out.Topics[n-1].Topic != p.Topic {
			out.Topics = append(out.Topics, kmsg.DescribeTransactionsResponseTransactionStateTopic{Topic: p.Topic})
		}
		t := &out.Topics[len(out.Topics)-1]
		t.Partitions = append(t.Partitions, p.Index)
	}
	return out
}
