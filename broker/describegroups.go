package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// describeGroupsNotFound is the version of DescribeGroups from which on a group
// that is not there is an error, and not only Dead (KIP-1043).
const describeGroupsNotFound = 6

// groupOperations are what a client may do with a group.
var groupOperations = operations(
	kmsg.ACLOperationRead, kmsg.ACLOperationDelete, kmsg.ACLOperationDescribe,
	kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs,
)

func (s *Server) describeGroups(x *transport.Exchange, req *kmsg.DescribeGroupsRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeGroupsResponse](req)
	resp.Groups = make([]kmsg.DescribeGroupsResponseGroup, len(req.Groups))
	each := func(i int, sh *groupShard, err error) {
		if err != nil {
			resp.Groups[i] = groupNotDescribed(req, req.Groups[i], err)
			return
		}
		d, found := sh.Machine().Describe(req.Groups[i])
		if !found && req.Version >= describeGroupsNotFound {
			resp.Groups[i] = groupNotDescribed(req, d.Group, group.NotFound(d.Group))
			resp.Groups[i].State = d.State.String()
			return
		}
		resp.Groups[i] = described(req, &d)
	}
	done := func(i int, err error) {
		if err != nil {
			resp.Groups[i] = groupNotDescribed(req, req.Groups[i], err)
		}
	}
	s.groups.serveAll(x, req.Groups, each, done, func() { sendResponse(x, resp) })
	return nil
}

func described(req *kmsg.DescribeGroupsRequest, d *group.Description) kmsg.DescribeGroupsResponseGroup {
	out := kmsg.NewDescribeGroupsResponseGroup()
	out.Group, out.State, out.ProtocolType, out.Protocol = d.Group, d.State.String(), d.ProtocolType, d.Protocol
	out.AuthorizedOperations = whenAsked(req.IncludeAuthorizedOperations, groupOperations)
	out.Members = make([]kmsg.DescribeGroupsResponseGroupMember, len(d.Members))
	for i, m := range d.Members {
		out.Members[i] = kmsg.DescribeGroupsResponseGroupMember{
			MemberID: m.Member, InstanceID: orNil(m.Instance), ClientID: m.ClientID, ClientHost: m.Host,
			ProtocolMetadata: m.Metadata, MemberAssignment: m.Assignment,
		}
	}
	return out
}

func groupNotDescribed(req *kmsg.DescribeGroupsRequest, id string, err error) kmsg.DescribeGroupsResponseGroup {
	out := described(req, &group.Description{Group: id})
	out.State, out.ErrorCode, out.ErrorMessage = "", codeOf(err), textOf(err)
	return out
}
