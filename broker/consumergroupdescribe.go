package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// The types of a described group's members.
const (
	memberClassic  int8 = 0
	memberConsumer int8 = 1
)

func (s *Server) consumerGroupDescribe(x *transport.Exchange, req *kmsg.ConsumerGroupDescribeRequest) kmsg.Response {
	resp := respond[*kmsg.ConsumerGroupDescribeResponse](req)
	resp.Groups = make([]kmsg.ConsumerGroupDescribeResponseGroup, len(req.Groups))
	refuse := func(i int, err error) {
		out := &resp.Groups[i]
		out.Default()
		out.Group, out.ErrorCode, out.ErrorMessage = req.Groups[i], codeOf(err), textOf(err)
	}
	im := s.cluster.Image()
	each := func(i int, sh *groupShard, err error) {
		var d group.ConsumerDescription
		if err == nil {
			d, err = sh.Machine().DescribeConsumer(req.Groups[i])
		}
		if err != nil {
			refuse(i, err)
			return
		}
		resp.Groups[i] = consumerDescribed(req, im, &d)
	}
	done := func(i int, err error) {
		if err != nil {
			refuse(i, err)
		}
	}
	s.groups.serveAll(x, req.Groups, each, done, func() { sendResponse(x, resp) })
	return nil
}

func consumerDescribed(req *kmsg.ConsumerGroupDescribeRequest, im *image.Image, d *group.ConsumerDescription) kmsg.ConsumerGroupDescribeResponseGroup {
	out := kmsg.NewConsumerGroupDescribeResponseGroup()
	out.Group, out.State, out.AssignorName = d.Group, d.State.String(), d.Assignor
	out.Epoch, out.AssignmentEpoch = d.Epoch, d.AssignmentEpoch
	out.AuthorizedOperations = whenAsked(req.IncludeAuthorizedOperations, groupOperations)
	out.Members = make([]kmsg.ConsumerGroupDescribeResponseGroupMember, len(d.Members))
	for i := range d.Members {
		out.Members[i] = consumerMember(im, &d.Members[i])
	}
	return out
}

func consumerMember(im *image.Image, m *group.ConsumerMember) kmsg.ConsumerGroupDescribeResponseGroupMember {
	out := kmsg.NewConsumerGroupDescribeResponseGroupMember()
	out.MemberID, out.InstanceID, out.RackID, out.MemberEpoch = m.Member, orNil(m.Instance), orNil(m.Rack), m.Epoch
	out.ClientID, out.ClientHost = m.ClientID, m.Host
	out.SubscribedTopics, out.SubscribedTopicRegex = m.Topics, orNil(m.Pattern)
	out.Assignment, out.TargetAssignment = describedPartitions(im, m.Assigned), describedPartitions(im, m.Target)
	if out.MemberType = memberConsumer; m.Classic {
		out.MemberType = memberClassic
	}
	return out
}

// describedPartitions are partitions with the names of their topics, as far as those
// still exist.
func describedPartitions(im *image.Image, p group.Partitions) kmsg.Assignment {
	out := kmsg.NewAssignment()
	for _, id := range p.TopicIDs() {
		if t, ok := im.TopicByID(protocol.TopicID(id)); ok {
			out.TopicPartitions = append(out.TopicPartitions, kmsg.AssignmentTopicPartition{TopicID: id, Topic: t.Name, Partitions: p[id]})
		}
	}
	return out
}
