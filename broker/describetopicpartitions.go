package broker

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/image"
)

// describedPartitionsMax bounds one answer of DescribeTopicPartitions, whatever
// the client asks for. Kafka calls it max.request.partition.size.limit.
const describedPartitionsMax = 2000

// describeTopicPartitions tells topics in the order of their names, one page at
// a time. The cursor names the first partition of a page (KIP-966).
func (s *Server) describeTopicPartitions(x *transport.Exchange, req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeTopicPartitionsResponse](req)
	if req.Cursor != nil && req.Cursor.Partition < 0 {
		refuseDescribed(req, resp)
		return resp
	}
	v := s.view(x)
	left := max(1, min(int(req.ResponsePartitionLimit), describedPartitionsMax))
	for _, name := range v.describedNames(req, passageOf(x)) {
		if left == 0 {
			resp.NextCursor = nextCursor(name, 0)
			return resp
		}
		t, ok := v.Topic(name)
		if !ok {
			if len(req.Topics) > 0 {
				resp.Topics = append(resp.Topics, undescribed(name, codeOf(unknownName(name))))
			}
			continue
		}
		from := 0
		if req.Cursor != nil && req.Cursor.Topic == name {
			from = min(int(req.Cursor.Partition), len(t.Partitions))
		}
		to := min(from+left, len(t.Partitions))
		resp.Topics = append(resp.Topics, v.describedTopic(t, from, to))
		if to < len(t.Partitions) {
			resp.NextCursor = nextCursor(name, int32(to))
			return resp
		}
		left -= to - from
	}
	return resp
}

// describedNames are the names to go through, from the cursor's topic on. Of all
// topics those are left out that the client may not see; p may be nil.
func (v view) describedNames(req *kmsg.DescribeTopicPartitionsRequest, p *passage) []string {
	var names []string
	for i := range req.Topics {
		names = append(names, req.Topics[i].Topic)
	}
	if len(req.Topics) == 0 && (p == nil || !p.emptied) {
		for _, t := range v.Topics() {
			if p == nil || p.describes(t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if req.Cursor == nil {
		return names
	}
	from, _ := slices.BinarySearchFunc(names, req.Cursor.Topic, strings.Compare)
	return names[from:]
}

func nextCursor(topic string, partition int32) *kmsg.DescribeTopicPartitionsResponseNextCursor {
	return &kmsg.DescribeTopicPartitionsResponseNextCursor{Topic: topic, Partition: partition}
}

func (v view) describedTopic(t *image.Topic, from, to int) kmsg.DescribeTopicPartitionsResponseTopic {
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.TopicID, out.IsInternal = kmsg.StringPtr(t.Name), t.ID, t.Internal
	out.AuthorizedOperations = topicOperations // this request has no field to ask by: they are always told
	for i := range t.Partitions[from:to] {
		p := &t.Partitions[from+i]
		at := v.place(t, p)
		out.Partitions = append(out.Partitions, kmsg.DescribeTopicPartitionsResponseTopicPartition{
			ErrorCode: at.code, Partition: p.Index, LeaderID: at.leader, LeaderEpoch: at.epoch,
			Replicas: at.replicas, ISR: at.isr, OfflineReplicas: at.offline,
			// There is no election outside the ISR. Empty, never null: Kafka's admin client fails on null.
			EligibleLeaderReplicas: []int32{}, LastKnownELR: []int32{},
		})
	}
	return out
}

func undescribed(name string, code int16) kmsg.DescribeTopicPartitionsResponseTopic {
	out := kmsg.NewDescribeTopicPartitionsResponseTopic()
	out.Topic, out.ErrorCode = kmsg.StringPtr(name), code
	return out
}

// refuseDescribed answers a request that cannot be understood: the response has
// no error of its own, so that each topic carries it.
func refuseDescribed(req *kmsg.DescribeTopicPartitionsRequest, resp *kmsg.DescribeTopicPartitionsResponse) {
	for i := range req.Topics {
		resp.Topics = append(resp.Topics, undescribed(req.Topics[i].Topic, kerr.InvalidRequest.Code))
	}
}
