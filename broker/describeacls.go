package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/acl"
)

// describeACLs lists those that a filter chooses, by resource.
func (s *Server) describeACLs(_ *transport.Exchange, req *kmsg.DescribeACLsRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeACLsResponse](req)
	resp.Resources = []kmsg.DescribeACLsResponseResource{}
	if s.authorizer == nil {
		resp.ErrorCode, resp.ErrorMessage = kerr.SecurityDisabled.Code, kmsg.StringPtr("No Authorizer is configured on the broker")
		return resp
	}
	f := acl.Filter{
		Type: acl.ResourceType(req.ResourceType), Pattern: acl.Pattern(req.ResourcePatternType), Name: req.ResourceName,
		Principal: req.Principal, Host: req.Host, Operation: acl.Operation(req.Operation), Permission: acl.Permission(req.PermissionType),
	}
	if err := f.Validate(); err != nil {
		resp.ErrorCode, resp.ErrorMessage = kerr.InvalidRequest.Code, textOf(err)
		return resp
	}
	var last acl.Resource
	for _, r := range s.cluster.Image().ACLs().Find(&f) {
		if r.Resource != last {
			last = r.Resource
			resp.Resources = append(resp.Resources, kmsg.DescribeACLsResponseResource{
				ResourceType: kmsg.ACLResourceType(r.Type), ResourceName: r.Name, ResourcePatternType: kmsg.ACLResourcePatternType(r.Pattern),
			})
		}
		of := &resp.Resources[len(resp.Resources)-1]
		of.ACLs = append(of.ACLs, kmsg.DescribeACLsResponseResourceACL{
			Principal: r.Principal, Host: r.Host, Operation: kmsg.ACLOperation(r.Operation), PermissionType: kmsg.ACLPermissionType(r.Permission),
		})
	}
	return resp
}
