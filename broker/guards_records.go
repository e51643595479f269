package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/coordinator/acl"
)

// The guards of what writes, reads and places records.

func guardProduce(p *passage, req *kmsg.ProduceRequest) kmsg.Response {
	if req.TransactionID != nil && !p.may(onTransactionalID, *req.TransactionID, ifTransactional) {
		resp := respond[*kmsg.ProduceResponse](req)
		addUnproduced(resp, req.Topics, func(*kmsg.ProduceRequestTopic) int16 { return kerr.TransactionalIDAuthorizationFailed.Code })
		return resp
	}
	denied := take(p, &req.Topics, func(t *kmsg.ProduceRequestTopic) bool {
		name, known := p.topicName(t.Topic, t.TopicID)
		return !known || p.may(onTopic, name)
	})
	if len(denied) == 0 {
		return nil
	}
	for i := range denied {
		for j := range denied[i].Partitions {
			denied[i].Partitions[j].Records = nil // the request's bytes are gone when the answer is made
		}
	}
	amend(p, func(resp *kmsg.ProduceResponse) {
		addUnproduced(resp, denied, func(t *kmsg.ProduceRequestTopic) int16 { return deniedTopic(t.TopicID) })
	})
	return nil
}

// addUnproduced adds an error for each partition of topics that were not written to.
func addUnproduced(resp *kmsg.ProduceResponse, topics []kmsg.ProduceRequestTopic, code func(*kmsg.ProduceRequestTopic) int16) {
	for i := range topics {
		t := &topics[i]
		out := kmsg.NewProduceResponseTopic()
		out.Topic, out.TopicID = t.Topic, t.TopicID
		for _, in := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.BaseOffset = in.Partition, code(t), -1
			out.Partitions = append(out.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, out)
	}
}

// guardFetch refuses who calls itself a broker and is none. What a consumer may read
// is asked partition by partition as it is looked at: a fetch session lives longer
// than the ACLs that it began with.
func guardFetch(p *passage, req *kmsg.FetchRequest) kmsg.Response {
	follower := req.ReplicaID >= 0 || req.ReplicaState.ID >= 0
	if !follower || p.may(onCluster, acl.ClusterName, ifFollower) {
		return nil
	}
	resp := respond[*kmsg.FetchResponse](req)
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewFetchResponseTopic()
		out.Topic, out.TopicID = rt.Topic, rt.TopicID
		for j := range rt.Partitions {
			rp := kmsg.NewFetchResponseTopicPartition()
			rp.Partition, rp.ErrorCode, rp.HighWatermark = rt.Partitions[j].Partition, kerr.TopicAuthorizationFailed.Code, -1
			out.Partitions = append(out.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// deniedFetch is the code for a partition that the consumer may not read; 0: it may.
func (f *clientFetch) deniedFetch(key fetching.Key) int16 {
	p := passageOf(f.x)
	if p == nil {
		return 0
	}
	name, known := p.topicName(key.Name, key.Topic)
	if !known || p.may(onTopic, name, ifConsumer) {
		return 0
	}
	return deniedTopic(key.Topic)
}

func guardListOffsets(p *passage, req *kmsg.ListOffsetsRequest) kmsg.Response {
	denied := take(p, &req.Topics, func(t *kmsg.ListOffsetsRequestTopic) bool { return p.may(onTopic, t.Topic) })
	amend(p, func(resp *kmsg.ListOffsetsResponse) {
		for i := range denied {
			out := kmsg.NewListOffsetsResponseTopic()
			out.Topic = denied[i].Topic
			for j := range denied[i].Partitions {
				o := kmsg.NewListOffsetsResponseTopicPartition()
				o.Partition = denied[i].Partitions[j].Partition
				nowhere.tell(&o, kerr.TopicAuthorizationFailed)
				out.Partitions = append(out.Partitions, o)
			}
			resp.Topics = append(resp.Topics, out)
		}
	})
	return nil
}

func guardLeaderEpoch(p *passage, req *kmsg.OffsetForLeaderEpochRequest) kmsg.Response {
	denied := take(p, &req.Topics, func(t *kmsg.OffsetForLeaderEpochRequestTopic) bool { return p.may(onTopic, t.Topic) })
	amend(p, func(resp *kmsg.OffsetForLeaderEpochResponse) {
		for i := range denied {
			out := kmsg.NewOffsetForLeaderEpochResponseTopic()
			out.Topic = denied[i].Topic
			for j := range denied[i].Partitions {
				o := kmsg.NewOffsetForLeaderEpochResponseTopicPartition()
				o.Partition, o.ErrorCode = denied[i].Partitions[j].Partition, kerr.TopicAuthorizationFailed.Code
				out.Partitions = append(out.Partitions, o)
			}
			resp.Topics = append(resp.Topics, out)
		}
	})
	return nil
}

func guardDescribeProducers(p *passage, req *kmsg.DescribeProducersRequest) kmsg.Response {
	denied := take(p, &req.Topics, func(t *kmsg.DescribeProducersRequestTopic) bool { return p.may(onTopic, t.Topic) })
	amend(p, func(resp *kmsg.DescribeProducersResponse) {
		for i := range denied {
			out := kmsg.NewDescribeProducersResponseTopic()
			out.Topic = denied[i].Topic
			for _, index := range denied[i].Partitions {
				o := kmsg.NewDescribeProducersResponseTopicPartition()
				o.Partition, o.ErrorCode = index, kerr.TopicAuthorizationFailed.Code
				out.Partitions = append(out.Partitions, o)
			}
			resp.Topics = append(resp.Topics, out)
		}
	})
	return nil
}

func guardDeleteRecords(p *passage, req *kmsg.DeleteRecordsRequest) kmsg.Response {
	denied := take(p, &req.Topics, func(t *kmsg.DeleteRecordsRequestTopic) bool { return p.may(onTopic, t.Topic) })
	amend(p, func(resp *kmsg.DeleteRecordsResponse) {
		for i := range denied {
			out := kmsg.NewDeleteRecordsResponseTopic()
			out.Topic = denied[i].Topic
			for j := range denied[i].Partitions {
				o := kmsg.NewDeleteRecordsResponseTopicPartition()
				o.Partition, o.LowWatermark, o.ErrorCode = denied[i].Partitions[j].Partition, -1, kerr.TopicAuthorizationFailed.Code
				out.Partitions = append(out.Partitions, o)
			}
			resp.Topics = append(resp.Topics, out)
		}
	})
	return nil
}
