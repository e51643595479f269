package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/acl"
)

// createACLs answers when this broker goes by what it has added.
func (s *Server) createACLs(x *transport.Exchange, req *kmsg.CreateACLsRequest) kmsg.Response {
	resp := respond[*kmsg.CreateACLsResponse](req)
	resp.Results = make([]kmsg.CreateACLsResponseResult, len(req.Creations))
	errs := make([]error, len(req.Creations))
	if s.authorizer == nil {
		for i := range errs {
			errs[i] = errNoAuthorizer
		}
	} else {
		ctx, cancel := withinDefault(x)
		defer cancel()
		rules := make([]acl.Rule, len(req.Creations))
		for i := range req.Creations {
			rules[i] = createdRule(&req.Creations[i])
		}
		errs = s.cluster.CreateACLs(ctx, rules)
		s.auditRules(x, "created", rules, errs)
	}
	for i, err := range errs {
		resp.Results[i] = kmsg.CreateACLsResponseResult{ErrorCode: codeOf(err), ErrorMessage: textOf(err)}
	}
	return resp
}

// errNoAuthorizer refuses what concerns ACLs where nobody goes by them: who believes
// that they hold is worse off than who is told.
var errNoAuthorizer = noAuthorizer{}

type noAuthorizer struct{}

func (noAuthorizer) Error() string { return "No Authorizer is configured." }

// Unwrap gives the code.
func (noAuthorizer) Unwrap() error { return kerr.SecurityDisabled }

func createdRule(c *kmsg.CreateACLsRequestCreation) acl.Rule {
	return acl.Rule{
		Resource:  acl.Resource{Type: acl.ResourceType(c.ResourceType), Pattern: acl.Pattern(c.ResourcePatternType), Name: c.ResourceName},
		Principal: c.Principal, Host: c.Host, Operation: acl.Operation(c.Operation), Permission: acl.Permission(c.PermissionType),
	}
}
