package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// heartbeatOwnID is the version of ConsumerGroupHeartbeat from which on members
// choose their ids (KIP-1082).
const heartbeatOwnID = 1

// consumerGroupHeartbeat is answered when what it changed is committed.
func (s *Server) consumerGroupHeartbeat(x *transport.Exchange, req *kmsg.ConsumerGroupHeartbeatRequest) kmsg.Response {
	beat := group.ConsumerHeartbeatRequest{
		Group: req.Group, Member: req.MemberID, Epoch: req.MemberEpoch, Instance: req.InstanceID, Rack: req.RackID,
		RebalanceMs: int64(req.RebalanceTimeoutMillis), Names: req.SubscribedTopicNames, Pattern: req.SubscribedTopicRegex,
		Assignor: req.ServerAssignor, ClientID: x.Header.ClientID, Host: javaHost(x.Conn),
		NamesItself: req.Version >= heartbeatOwnID,
	}
	if req.Topics != nil {
		owned := make(map[group.TopicID][]int32, len(req.Topics))
		for _, t := range req.Topics {
			owned[t.TopicID] = slices.Concat(owned[t.TopicID], t.Partitions)
		}
		beat.Owned = group.NewPartitions(owned)
	}
	s.groups.serve(x, req.Group, func(sh *groupShard, err error) {
		if err != nil {
			sendResponse(x, heartbeatResponse(req, group.ConsumerHeartbeatResponse{}, err))
			return
		}
		told, fx, err := sh.Machine().ConsumerHeartbeat(s.groups.nowMs(), beat)
		sh.Apply(groupEffects(fx))
		sh.After(func(lost error) {
			if lost != nil {
				err = lost
			}
			sendResponse(x, heartbeatResponse(req, told, err))
		})
	})
	return nil
}

func heartbeatResponse(req *kmsg.ConsumerGroupHeartbeatRequest, told group.ConsumerHeartbeatResponse, err error) kmsg.Response {
	resp := respond[*kmsg.ConsumerGroupHeartbeatResponse](req)
	if err != nil {
		resp.ErrorCode, resp.ErrorMessage = codeOf(err), textOf(err)
		return resp
	}
	resp.MemberID, resp.MemberEpoch = &told.Member, told.Epoch
	resp.HeartbeatIntervalMillis = int32(told.HeartbeatMs)
	if told.Assignment == nil {
		return resp
	}
	resp.Assignment = &kmsg.ConsumerGroupHeartbeatResponseAssignment{Topics: []kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{}}
	for _, id := range told.Assignment.TopicIDs() {
		resp.Assignment.Topics = append(resp.Assignment.Topics, kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic{
			TopicID: id, Partitions: told.Assignment[id],
		})
	}
	return resp
}
