package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// heartbeat does not wait for writes under way: it tells nothing that a lost
// write could make untrue.
func (s *Server) heartbeat(x *transport.Exchange, req *kmsg.HeartbeatRequest) kmsg.Response {
	beat := group.HeartbeatRequest{
		Group: req.Group, Member: req.MemberID, Instance: orEmpty(req.InstanceID), Generation: req.Generation,
	}
	s.groups.serve(x, req.Group, func(sh *groupShard, err error) {
		if err == nil {
			err = sh.Machine().Heartbeat(s.groups.nowMs(), beat)
		}
		resp := respond[*kmsg.HeartbeatResponse](req)
		resp.ErrorCode = codeOf(err)
		sendResponse(x, resp)
	})
	return nil
}
