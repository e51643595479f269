package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/txn"
)

// The versions of AddPartitionsToTxn at which something begins.
const (
	addPartitionsFenced = 2 // PRODUCER_FENCED; before it, INVALID_PRODUCER_EPOCH
	addPartitionsBatch  = 4 // brokers ask, for several transactions at once (KIP-890)
	addPartitionsAsked  = 5 // the version in which brokers ask
)

// addPartitionsToTxn adds partitions to transactions, or says whether they are in. Clients
// ask by versions below 4, and brokers by the others.
func (s *Server) addPartitionsToTxn(x *transport.Exchange, req *kmsg.AddPartitionsToTxnRequest) kmsg.Response {
	resp := respond[*kmsg.AddPartitionsToTxnResponse](req)
	if req.Version < addPartitionsBatch {
		one := txnPartitions{version: req.Version, id: req.TransactionalID, producer: txn.Producer{ID: req.ProducerID, Epoch: req.ProducerEpoch}}
		for _, t := range req.Topics {
			one.add(t.Topic, t.Partitions)
		}
		s.transactions.serve(x, req.TransactionalID, func(sh *txnShard, err error) {
			s.addToTransaction(sh, err, one, func(codes []int16) {
				resp.Topics = one.topics(codes)
				sendResponse(x, resp)
			})
		})
		return nil
	}
	asked := make([]txnPartitions, len(req.Transactions))
	ids := make([]string, len(req.Transactions))
	for i := range req.Transactions {
		r := &req.Transactions[i]
		ids[i] = r.TransactionalID
		asked[i] = txnPartitions{
			id: r.TransactionalID, producer: txn.Producer{ID: r.ProducerID, Epoch: r.ProducerEpoch}, byBroker: true, verify: r.VerifyOnly,
		}
		for _, t := range r.Topics {
			asked[i].add(t.Topic, t.Partitions)
		}
	}
	resp.Transactions = make([]kmsg.AddPartitionsToTxnResponseTransaction, len(asked))
	s.transactions.serveAll(x, ids, func(i int, sh *txnShard, err error, done func()) {
		s.addToTransaction(sh, err, asked[i], func(codes []int16) {
			out := &resp.Transactions[i]
			out.TransactionalID = asked[i].id
			for _, t := range asked[i].topics(codes) {
				out.Topics = append(out.Topics, kmsg.AddPartitionsToTxnResponseTransactionTopic{Topic: t.Topic, Partitions: batched(t.Partitions)})
			}
			done()
		})
	}, func() { sendResponse(x, resp) })
	return nil
}

// txnPartitions are partitions that are to be in a transaction.
type txnPartitions struct {
	id         string
	producer   txn.Producer
	version    int16
	byBroker   bool // a broker asks, since they are written to
	verify     bool // they are not added: are they in?
	partitions []namedPartition
}

func (r *txnPartitions) add(topic string, indexes []int32) {
	for _, index := range indexes {
		r.partitions = append(r.partitions, namedPartition{topic, index})
	}
}

// topics are the codes of the partitions, as answers have them.
func (r *txnPartitions) topics(codes []int16) (topics []kmsg.AddPartitionsToTxnResponseTopic) {
	for i, p := range r.partitions {
		if n := len(topics); n == 0 || topics[n-1].Topic != p.topic {
			topics = append(topics, kmsg.AddPartitionsToTxnResponseTopic{Topic: p.topic})
		}
		t := &topics[len(topics)-1]
		t.Partitions = append(t.Partitions, kmsg.AddPartitionsToTxnResponseTopicPartition{Partition: p.index, ErrorCode: codes[i]})
	}
	return topics
}

// batched are the same codes as the batched form of the answer has them.
func batched(all []kmsg.AddPartitionsToTxnResponseTopicPartition) []kmsg.AddPartitionsToTxnResponseTransactionTopicPartition {
	out := make([]kmsg.AddPartitionsToTxnResponseTransactionTopicPartition, len(all))
	for i, p := range all {
		out[i].Partition, out[i].ErrorCode = p.Partition, p.ErrorCode
	}
	return out
}

// addToTransaction handles one transaction of a request, in the loop. answer gets the code
// of each partition when all that they rest on is committed.
func (s *Server) addToTransaction(sh *txnShard, err error, r txnPartitions, answer func(codes []int16)) {
	codes := make([]int16, len(r.partitions))
	all := func(err error) {
		for i := range codes {
			codes[i] = fencedCode(err, r.newer())
		}
		answer(codes)
	}
	if err != nil {
		all(err)
		return
	}
	partitions, good := s.nameWithIDs(&r, codes)
	if !good {
		answer(codes)
		return
	}
	if r.verify {
		errs, err := sh.Machine().Verify(r.id, r.producer, partitions)
		if err != nil {
			all(err)
			return
		}
		for i := range codes {
			codes[i] = codeOf(errs[i])
		}
		answer(codes)
		return
	}
	fx, err := sh.Machine().Add(s.transactions.nowMs(), txn.AddRequest{
		TransactionalID: r.id, Producer: r.producer, Partitions: partitions, Implicit: r.byBroker,
	})
	sh.Apply(sh.Machine().effects(fx))
	if err != nil {
		all(err)
		return
	}
	sh.After(func(err error) { all(err) })
}

// newer reports whether who asks knows PRODUCER_FENCED.
func (r *txnPartitions) newer() bool { return r.byBroker || r.version >= addPartitionsFenced }

// nameWithIDs finds the topics' ids. If one of the partitions may not be added, none
// is: the others have OPERATION_NOT_ATTEMPTED.
func (s *Server) nameWithIDs(r *txnPartitions, codes []int16) (partitions []txn.Partition, good bool) {
	im := s.cluster.Image()
	good = true
	partitions = make([]txn.Partition, len(r.partitions))
	for i, p := range r.partitions {
		partitions[i], codes[i] = txnPartition(im, p, r.byBroker)
		good = good && codes[i] == 0
	}
	for i := range codes {
		if !good && codes[i] == 0 {
			codes[i] = kerr.OperationNotAttempted.Code
		}
	}
	return partitions, good
}

// txnPartition is a partition with its topic's id. What is in an internal topic only
// brokers add: the group coordinator's are such.
func txnPartition(im *image.Image, p namedPartition, byBroker bool) (txn.Partition, int16) {
	t, ok := im.Topic(p.topic)
	switch {
	case !byBroker && isInternal(p.topic):
		return txn.Partition{}, kerr.TopicAuthorizationFailed.Code
	case !ok || p.index < 0 || int(p.index) >= len(t.Partitions):
		return txn.Partition{}, kerr.UnknownTopicOrPartition.Code
	}
	return txn.Partition{Topic: p.topic, TopicID: t.ID, Index: p.index}, 0
}

// isInternal reports whether a topic is a coordinator's log.
func isInternal(topic string) bool { return topic == offsetsTopic || topic == transactionsTopic }
