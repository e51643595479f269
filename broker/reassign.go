package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// alterReassignments begins to move partitions to other brokers, or takes it
// back (KIP-455). It answers when the metadata shows the beginning; how far it
// is, ListPartitionReassignments tells.
func (s *Server) alterReassignments(x *transport.Exchange, req *kmsg.AlterPartitionAssignmentsRequest) kmsg.Response {
	resp := respond[*kmsg.AlterPartitionAssignmentsResponse](req)
	ctx, cancel := within(x, req.TimeoutMillis)
	defer cancel()
	im := s.cluster.Image()
	targets := make(map[protocol.TopicPartition][]protocol.BrokerID)
	named := tally[namedPartition]{}
	for i := range req.Topics {
		rt := &req.Topics[i]
		for j := range rt.Partitions {
			rp := &rt.Partitions[j]
			named[namedPartition{rt.Topic, rp.Partition}]++
			if id, err := findPartition(im, rt.Topic, rp.Partition); err == nil {
				targets[id] = target(rp.Replicas)
			}
		}
	}
	for place, n := range named {
		if id, err := findPartition(im, place.topic, place.index); err == nil && n > 1 {
			delete(targets, id) // none of its targets counts
		}
	}
	outcome := s.cluster.AlterReassignments(ctx, targets)
	for i := range req.Topics {
		rt := &req.Topics[i]
		out := kmsg.NewAlterPartitionAssignmentsResponseTopic()
		out.Topic = rt.Topic
		for j := range rt.Partitions {
			index := rt.Partitions[j].Partition
			err := outcomeOf(im, outcome, named, namedPartition{rt.Topic, index})
			p := kmsg.NewAlterPartitionAssignmentsResponseTopicPartition()
			p.Partition, p.ErrorCode, p.ErrorMessage = index, codeOf(err), textOf(err)
			out.Partitions = append(out.Partitions, p)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

// target is nil to cancel, and never nil otherwise.
func target(replicas []int32) []protocol.BrokerID {
	if replicas == nil {
		return nil
	}
	return asBrokerIDs(replicas)
}

// findPartition turns a name into what it stands for at present.
func findPartition(im *image.Image, topic string, index int32) (protocol.TopicPartition, error) {
	t, ok := im.Topic(topic)
	if !ok {
		return protocol.TopicPartition{}, refusal.ErrUnknownTopic
	}
	if index < 0 || int(index) >= len(t.Partitions) {
		return protocol.TopicPartition{}, refusal.ErrUnknownPartition
	}
	return protocol.TopicPartition{Topic: t.ID, Index: index}, nil
}

// outcomeOf is what became of a partition of a request.
func outcomeOf(im *image.Image, outcome map[protocol.TopicPartition]error, named tally[namedPartition], place namedPartition) error {
	if named[place] > 1 {
		return errTwice("partition", fmt.Sprintf("%s-%d", place.topic, place.index))
	}
	id, err := findPartition(im, place.topic, place.index)
	if err != nil {
		return err
	}
	return outcome[id]
}

// listReassignments lists what is being moved; what is not is left out.
func (s *Server) listReassignments(_ *transport.Exchange, req *kmsg.ListPartitionReassignmentsRequest) kmsg.Response {
	resp := respond[*kmsg.ListPartitionReassignmentsResponse](req)
	im := s.cluster.Image()
	if req.Topics == nil {
		for _, t := range im.Topics() {
			listMoving(resp, t, func(int32) bool { return true })
		}
		return resp
	}
	asked := make(map[string]map[int32]bool, len(req.Topics))
	for i := range req.Topics {
		rt := &req.Topics[i]
		if asked[rt.Topic] == nil {
			asked[rt.Topic] = make(map[int32]bool, len(rt.Partitions))
		}
		for _, index := range rt.Partitions {
			asked[rt.Topic][index] = true
		}
	}
	for name, partitions := range asked {
		if t, ok := im.Topic(name); ok {
			listMoving(resp, t, func(i int32) bool { return partitions[i] })
		}
	}
	return resp
}

// listMoving adds a topic with those of its partitions that are asked for and
// are being moved, if there are any.
func listMoving(resp *kmsg.ListPartitionReassignmentsResponse, t *image.Topic, asked func(int32) bool) {
	out := kmsg.NewListPartitionReassignmentsResponseTopic()
	out.Topic = t.Name
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if len(p.Adding) == 0 && len(p.Removing) == 0 || !asked(p.Index) {
			continue
		}
		out.Partitions = append(out.Partitions, kmsg.ListPartitionReassignmentsResponseTopicPartition{
			Partition: p.Index, Replicas: brokerIDs(p.Replicas),
			AddingReplicas: brokerIDs(p.Adding), RemovingReplicas: brokerIDs(p.Removing),
		})
	}
	if len(out.Partitions) > 0 {
		resp.Topics = append(resp.Topics, out)
	}
}
