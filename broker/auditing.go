package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/audit"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/protocol"
)

// audit tells the audit of a decision.
func (p *passage) audit(op kmsg.ACLOperation, kind kmsg.ACLResourceType, name string, allowed bool) {
	if !p.srv.auditLog.Wants(allowed) {
		return
	}
	p.srv.auditLog.Note(audit.Event{
		Principal: p.who.Principal.String(), Host: p.who.Host, Listener: p.who.Listener, Client: p.client,
		Request: p.api.name(), Operation: op.String(), Resource: resourceName(kind), Name: name, Allowed: allowed,
	})
}

// resourceName is a type of resources in the words of kafka-acls, and ours.
func resourceName(kind kmsg.ACLResourceType) string {
	if kind == onLock {
		return "LOCK"
	}
	return kind.String()
}

// auditRules logs what became of the ACLs: who may do what is the one change that an
// audit without it could not explain.
func (s *Server) auditRules(x *transport.Exchange, what string, rules []acl.Rule, errs []error) {
	for i, r := range rules {
		if errs != nil && errs[i] != nil {
			continue
		}
		s.log.Info("ACL "+what, "from", x.Conn.RemoteAddr(), "resource", resourceName(kmsg.ACLResourceType(r.Type)),
			"name", protocol.PrintableShort(r.Name), "pattern", kmsg.ACLResourcePatternType(r.Pattern), "principal", protocol.PrintableShort(r.Principal),
			"host", protocol.PrintableShort(r.Host), "operation", kmsg.ACLOperation(r.Operation), "permission", kmsg.ACLPermissionType(r.Permission))
	}
}
