package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// addOffsetsFenced is the version of AddOffsetsToTxn from which on clients know
// PRODUCER_FENCED.
const addOffsetsFenced = 2

// addOffsetsToTxn adds the partition of the offsets topic that a group is in. Clients of
// transaction version 2 leave it out, and their TxnOffsetCommit adds it.
func (s *Server) addOffsetsToTxn(x *transport.Exchange, req *kmsg.AddOffsetsToTxnRequest) kmsg.Response {
	resp := respond[*kmsg.AddOffsetsToTxnResponse](req)
	answer := func(err error) {
		resp.ErrorCode = fencedCode(err, req.Version >= addOffsetsFenced)
		sendResponse(x, resp)
	}
	n, err := s.partitionsOf(x, s.groups.topic)
	if err != nil {
		answer(err)
		return nil
	}
	s.transactions.serve(x, req.TransactionalID, func(sh *txnShard, err error) {
		if err != nil {
			answer(err)
			return
		}
		of := namedPartition{offsetsTopic, group.PartitionOf(req.Group, n)}
		partition, code := txnPartition(s.cluster.Image(), of, true)
		if code != 0 {
			answer(errNoCoordinator)
			return
		}
		fx, err := sh.Machine().Add(s.transactions.nowMs(), txn.AddRequest{
			TransactionalID: req.TransactionalID, Producer: txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch},
			Partitions: []txn.Partition{partition},
		})
		sh.Apply(sh.Machine().effects(fx))
		if err != nil {
			answer(err)
			return
		}
		sh.After(answer)
	})
	return nil
}
