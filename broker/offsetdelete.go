package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// offsetDelete makes a group forget offsets of topics that it does not read any
// more (KIP-496).
func (s *Server) offsetDelete(x *transport.Exchange, req *kmsg.OffsetDeleteRequest) kmsg.Response {
	resp := respond[*kmsg.OffsetDeleteResponse](req)
	var asked []group.TopicPartition
	var places []*int16
	im := s.cluster.Image()
	resp.Topics = make([]kmsg.OffsetDeleteResponseTopic, len(req.Topics))
	for i := range req.Topics {
		rt, out := &req.Topics[i], &resp.Topics[i]
		out.Topic = rt.Topic
		out.Partitions = make([]kmsg.OffsetDeleteResponseTopicPartition, len(rt.Partitions))
		for j := range rt.Partitions {
			p, o := rt.Partitions[j].Partition, &out.Partitions[j]
			if o.Partition = p; !partitionExists(im, rt.Topic, p) {
				o.ErrorCode = kerr.UnknownTopicOrPartition.Code
				continue
			}
			places = append(places, &o.ErrorCode)
			asked = append(asked, group.TopicPartition{Topic: rt.Topic, Partition: p})
		}
	}
	refuse := func(err error) {
		resp.ErrorCode, resp.Topics = codeOf(err), nil
		sendResponse(x, resp)
	}
	s.groups.serve(x, req.Group, func(sh *groupShard, err error) {
		if err != nil {
			refuse(err)
			return
		}
		errs, fx, err := sh.Machine().DeleteOffsets(req.Group, asked)
		sh.Apply(groupEffects(fx))
		if err != nil {
			refuse(err)
			return
		}
		for i, place := range places {
			*place = codeOf(errs[i])
		}
		sh.After(func(err error) {
			if err != nil {
				refuse(err)
				return
			}
			sendResponse(x, resp)
		})
	})
	return nil
}
