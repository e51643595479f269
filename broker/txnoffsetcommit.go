package broker

import (
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// The versions of TxnOffsetCommit at which something begins.
const (
	txnOffsetsAbortable = 4 // TRANSACTION_ABORTABLE; before it, INVALID_TXN_STATE
	txnOffsetsAdd       = 5 // it adds the group's partition to the transaction itself (KIP-890)
)

// txnOffsetCommit stores offsets that count when the producer's transaction commits.
func (s *Server) txnOffsetCommit(x *transport.Exchange, req *kmsg.TxnOffsetCommitRequest) kmsg.Response {
	resp, commit, places := s.txnCommitOf(req)
	answer := func(errs []error, err error) {
		if errors.Is(err, kerr.TransactionAbortable) && req.Version < txnOffsetsAbortable {
			err = kerr.InvalidTxnState
		}
		for i, place := range places {
			if err == nil {
				*place = fencedCode(errs[i], false)
			} else {
				*place = fencedCode(err, false)
			}
		}
		sendResponse(x, resp)
	}
	n, err := s.partitionsOf(x, s.groups.topic)
	x.ReleaseFrame()
	switch {
	case err == nil && req.Group == "":
		err = group.ErrInvalidGroupID
	case err == nil && req.TransactionalID == "":
		err = txn.ErrInvalidRequest
	}
	if err != nil {
		answer(nil, err)
		return nil
	}
	index := group.PartitionOf(req.Group, n)
	by := txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}
	in := txnPartitions{
		id: req.TransactionalID, producer: by, byBroker: true, verify: req.Version < txnOffsetsAdd,
		partitions: []namedPartition{{offsetsTopic, index}},
	}
	store := func(err error) {
		if err != nil {
			answer(nil, err)
			return
		}
		s.groups.runtime.Serve(index, func(sh *groupShard, err error) {
			if err != nil {
				answer(nil, err)
				return
			}
			errs, fx, err := sh.Machine().CommitInTransaction(s.groups.nowMs(), commit, group.Producer(by))
			sh.Apply(groupEffects(fx))
			if err != nil {
				answer(nil, err)
				return
			}
			sh.After(func(err error) { answer(errs, err) })
		})
	}
	// Whether this broker serves the group is known before its partition joins.
	s.groups.runtime.Serve(index, func(_ *groupShard, err error) {
		if err != nil {
			answer(nil, err)
			return
		}
		s.askCoordinator(in, func(errs []error) { store(errs[0]) })
	})
	return nil
}

// txnCommitOf is what a request commits, the answer so far, and where in it each
// offset's own code belongs.
func (s *Server) txnCommitOf(req *kmsg.TxnOffsetCommitRequest) (*kmsg.TxnOffsetCommitResponse, group.CommitRequest, []*int16) {
	resp := respond[*kmsg.TxnOffsetCommitResponse](req)
	commit := group.CommitRequest{
		Group: req.Group, Member: req.MemberID, Instance: orEmpty(req.InstanceID), Generation: req.Generation, RetentionMs: -1, KnowsEpochs: true,
	}
	var places []*int16
	im := s.cluster.Image()
	resp.Topics = make([]kmsg.TxnOffsetCommitResponseTopic, len(req.Topics))
	for i := range req.Topics {
		rt, out := &req.Topics[i], &resp.Topics[i]
		out.Topic = rt.Topic
		out.Partitions = make([]kmsg.TxnOffsetCommitResponseTopicPartition, len(rt.Partitions))
		for j := range rt.Partitions {
			rp, p := &rt.Partitions[j], &out.Partitions[j]
			if p.Partition = rp.Partition; !partitionExists(im, rt.Topic, rp.Partition) {
				p.ErrorCode = kerr.UnknownTopicOrPartition.Code
				continue
			}
			places = append(places, &p.ErrorCode)
			commit.Offsets = append(commit.Offsets, group.Commit{
				TopicPartition: group.TopicPartition{Topic: rt.Topic, Partition: rp.Partition},
				Offset:         rp.Offset, LeaderEpoch: rp.LeaderEpoch, Metadata: orEmpty(rp.Metadata),
			})
		}
	}
	return resp, commit, places
}
