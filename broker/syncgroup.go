package broker

import (
	"bytes"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// syncProtocol is the version of SyncGroup from which on a member says which
// protocol it goes by (KIP-559), and must.
const syncProtocol = 5

// syncGroup is answered when the leader has assigned and the assignment is
// committed.
func (s *Server) syncGroup(x *transport.Exchange, req *kmsg.SyncGroupRequest) kmsg.Response {
	sync := group.SyncRequest{
		Group: req.Group, Member: req.MemberID, Instance: orEmpty(req.InstanceID), Generation: req.Generation,
		ProtocolType: orEmpty(req.ProtocolType), Protocol: orEmpty(req.Protocol),
		Assignments: make([]group.Assignment, len(req.GroupAssignment)),
	}
	for i, a := range req.GroupAssignment {
		sync.Assignments[i] = group.Assignment{Member: a.MemberID, Assignment: bytes.Clone(a.MemberAssignment)}
	}
	req.GroupAssignment = nil
	answer := func(response any, err error) kmsg.Response { return syncResponse(req, response, err) }
	if req.Version >= syncProtocol && (req.ProtocolType == nil || req.Protocol == nil) {
		return answer(nil, group.ErrInconsistentProtocol)
	}
	s.groups.serve(x, req.Group, func(sh *groupShard, err error) {
		if err != nil {
			sendResponse(x, answer(nil, err))
			return
		}
		sh.Apply(groupEffects(sh.Machine().Sync(s.groups.nowMs(), park(sh, x, answer), sync)))
	})
	return nil
}

func syncResponse(req *kmsg.SyncGroupRequest, response any, err error) kmsg.Response {
	resp := respond[*kmsg.SyncGroupResponse](req)
	if err != nil {
		response = group.SyncResponse{Err: err}
	}
	r := response.(group.SyncResponse)
	resp.ErrorCode, resp.MemberAssignment = codeOf(r.Err), r.Assignment
	if r.Err == nil {
		resp.ProtocolType, resp.Protocol = &r.ProtocolType, &r.Protocol
	}
	if resp.MemberAssignment == nil {
		resp.MemberAssignment = []byte{}
	}
	return resp
}
