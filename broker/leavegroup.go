package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// leaveMembers is the version of LeaveGroup from which on several members can
// be named, static ones by their instance (KIP-345).
const leaveMembers = 3

func (s *Server) leaveGroup(x *transport.Exchange, req *kmsg.LeaveGroupRequest) kmsg.Response {
	leave := group.LeaveRequest{Group: req.Group}
	if req.Version < leaveMembers {
		leave.Members = []group.Leaver{{Member: req.MemberID}}
	}
	for _, m := range req.Members {
		leave.Members = append(leave.Members, group.Leaver{Member: m.MemberID, Instance: orEmpty(m.InstanceID)})
	}
	s.groups.serve(x, req.Group, func(sh *groupShard, err error) {
		if err != nil {
			sendResponse(x, leaveResponse(req, group.LeaveResponse{Err: err}))
			return
		}
		left, fx := sh.Machine().Leave(s.groups.nowMs(), leave)
		sh.Apply(groupEffects(fx))
		sh.After(func(err error) {
			if err != nil {
				left = group.LeaveResponse{Err: err}
			}
			sendResponse(x, leaveResponse(req, left))
		})
	})
	return nil
}

func leaveResponse(req *kmsg.LeaveGroupRequest, left group.LeaveResponse) kmsg.Response {
	resp := respond[*kmsg.LeaveGroupResponse](req)
	resp.ErrorCode = codeOf(left.Err)
	if req.Version < leaveMembers && left.Err == nil {
		resp.ErrorCode = codeOf(left.Members[0])
		return resp
	}
	resp.Members = []kmsg.LeaveGroupResponseMember{}
	for i, err := range left.Members {
		m := req.Members[i]
		resp.Members = append(resp.Members, kmsg.LeaveGroupResponseMember{MemberID: m.MemberID, InstanceID: m.InstanceID, ErrorCode: codeOf(err)})
	}
	return resp
}
