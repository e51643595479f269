package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
)

// describeProducers lists the producers that a partition remembers (KIP-664).
func (s *Server) describeProducers(_ *transport.Exchange, req *kmsg.DescribeProducersRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeProducersResponse](req)
	answered := make(map[namedPartition]bool)
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewDescribeProducersResponseTopic()
		out.Topic = rt.Topic
		t := s.hosted.Topic(rt.Topic)
		for _, index := range rt.Partitions {
			// Once each: the lists can be long.
			if named := (namedPartition{rt.Topic, index}); !answered[named] {
				answered[named] = true
				out.Partitions = append(out.Partitions, s.producersOf(t, index))
			}
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func (s *Server) producersOf(t *partitions.Topic, index int32) kmsg.DescribeProducersResponseTopicPartition {
	out := kmsg.NewDescribeProducersResponseTopicPartition()
	out.Partition = index
	producers, err := s.activeProducers(t, index)
	if err != nil {
		out.ErrorCode, out.ErrorMessage = codeOf(err), textOf(err)
		return out
	}
	out.ActiveProducers = producers
	return out
}

func (s *Server) activeProducers(t *partitions.Topic, index int32) ([]kmsg.DescribeProducersResponseTopicPartitionActiveProducer, error) {
	p, err := s.led(t, index)
	if err != nil {
		return nil, err
	}
	states, err := p.ProducerStates()
	if err != nil {
		return nil, err
	}
	out := make([]kmsg.DescribeProducersResponseTopicPartitionActiveProducer, len(states))
	for i, st := range states {
		out[i] = kmsg.DescribeProducersResponseTopicPartitionActiveProducer{
			ProducerID: int64(st.ID), ProducerEpoch: int32(st.Epoch),
			LastSequence: int32(st.LastSequence), LastTimestamp: st.LastTimestamp,
			CoordinatorEpoch: st.Transaction.CoordinatorEpoch, CurrentTxnStartOffset: int64(st.Transaction.First),
		}
	}
	return out, nil
}
