package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
)

// deleteGroups deletes groups that nobody is in, with their offsets.
func (s *Server) deleteGroups(x *transport.Exchange, req *kmsg.DeleteGroupsRequest) kmsg.Response {
	resp := respond[*kmsg.DeleteGroupsResponse](req)
	resp.Groups = make([]kmsg.DeleteGroupsResponseGroup, len(req.Groups))
	each := func(i int, sh *groupShard, err error) {
		out := &resp.Groups[i]
		out.Default()
		out.Group = req.Groups[i]
		if err == nil {
			fx, derr := sh.Machine().Delete(out.Group)
			sh.Apply(groupEffects(fx))
			err = derr
		}
		out.ErrorCode = codeOf(err)
	}
	done := func(i int, err error) {
		if err != nil {
			resp.Groups[i].ErrorCode = codeOf(err)
		}
	}
	s.groups.serveAll(x, req.Groups, each, done, func() { sendResponse(x, resp) })
	return nil
}
