package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/acl"
)

// deleteACLs answers when this broker goes by nothing of what it has deleted.
func (s *Server) deleteACLs(x *transport.Exchange, req *kmsg.DeleteACLsRequest) kmsg.Response {
	resp := respond[*kmsg.DeleteACLsResponse](req)
	resp.Results = make([]kmsg.DeleteACLsResponseResult, len(req.Filters))
	if s.authorizer == nil {
		for i := range resp.Results {
			resp.Results[i] = kmsg.DeleteACLsResponseResult{ErrorCode: codeOf(errNoAuthorizer), ErrorMessage: textOf(errNoAuthorizer)}
		}
		return resp
	}
	ctx, cancel := withinDefault(x)
	defer cancel()
	filters := make([]acl.Filter, len(req.Filters))
	for i := range req.Filters {
		f := &req.Filters[i]
		filters[i] = acl.Filter{
			Type: acl.ResourceType(f.ResourceType), Pattern: acl.Pattern(f.ResourcePatternType), Name: f.ResourceName,
			Principal: f.Principal, Host: f.Host, Operation: acl.Operation(f.Operation), Permission: acl.Permission(f.PermissionType),
		}
	}
	deleted, errs := s.cluster.DeleteACLs(ctx, filters)
	for i, err := range errs {
		out := &resp.Results[i]
		out.ErrorCode, out.ErrorMessage = codeOf(err), textOf(err)
		out.MatchingACLs = []kmsg.DeleteACLsResponseResultMatchingACL{}
		for _, r := range deleted[i] {
			out.MatchingACLs = append(out.MatchingACLs, kmsg.DeleteACLsResponseResultMatchingACL{
				ResourceType: kmsg.ACLResourceType(r.Type), ResourceName: r.Name, ResourcePatternType: kmsg.ACLResourcePatternType(r.Pattern),
				Principal: r.Principal, Host: r.Host, Operation: kmsg.ACLOperation(r.Operation), PermissionType: kmsg.ACLPermissionType(r.Permission),
			})
		}
		s.auditRules(x, "deleted", deleted[i], nil)
	}
	return resp
}
