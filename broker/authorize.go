package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// passage is a request on its way past the authorizer. What its principal may not
// have is taken out of the request before the handler sees it, and put into the
// answer when that is made: a handler can tell nothing of what it was never asked.
//
// Its fields are the reader's until the handler is called, and then read-only, so
// that an answer may be amended in any goroutine.
type passage struct {
	srv    *Server
	api    *api
	who    *security.Identity
	access *acl.Access
	client string // its id

	amends  []func(kmsg.Response)
	denied  bool // something was taken out
	emptied bool // nothing is left of a list that asks for all where it is empty
}

// guard takes out of a request what its principal may not have, or returns the answer
// that refuses all of it.
type guard func(*passage, kmsg.Request) kmsg.Response

// guardOf is a guard of one kind of request.
func guardOf[Q kmsg.Request](g func(*passage, Q) kmsg.Response) guard {
	return func(p *passage, req kmsg.Request) kmsg.Response { return g(p, req.(Q)) }
}

// passageOf is the passage of a request; nil without an authorizer.
func passageOf(x *transport.Exchange) *passage {
	if k, _ := x.Kept.(*kept); k != nil {
		return k.passage
	}
	return nil
}

// kept is what the pipeline keeps of a request until it is answered, where anybody is to
// be authorized or throttled.
type kept struct {
	srv     *Server
	who     *security.Identity
	passage *passage // nil: without an authorizer
}

// keep keeps who sent a request, if that matters behind the handler.
func (s *Server) keep(x *transport.Exchange, who *security.Identity) {
	if s.authorizer != nil || s.cluster.Image().Quotas().Size() > 0 {
		x.Kept = &kept{srv: s, who: who}
	}
}

// authorize returns the answer to who may do nothing of what a request asks for, or
// nil. Without an authorizer everybody may do everything.
func (s *Server) authorize(x *transport.Exchange, who *security.Identity, a *api, req kmsg.Request) (refusal kmsg.Response) {
	if s.authorizer == nil || len(a.needs) == 0 {
		return nil
	}
	if standIn, ok := s.authorizer.standIns[who.Listener]; ok {
		other := *who
		other.Principal, who = standIn, &other
	}
	p := &passage{srv: s, api: a, who: who, access: s.accessOf(x.Conn, who), client: x.Header.ClientID}
	if refusal = a.guard(p, req); refusal == nil {
		x.Kept.(*kept).passage = p
	}
	return refusal
}

// authorizer is what decides when there is one: the ACLs of the newest image, and
// what stands above them.
type authorizer struct {
	policy acl.Policy
	// standIns are whom the clients of a listener are taken for, by its name. It is nil
	// but in tests that ask as many principals.
	standIns map[string]security.Principal
}

// AuthorizerConfig is what stands above the ACLs.
type AuthorizerConfig struct {
	// SuperUsers may do everything. The brokers must be among them, as whom they
	// connect to each other, or have ACLs for it.
	SuperUsers []security.Principal
	// AllowIfNone allows everybody what no ACL speaks of: allow.everyone.if.no.acl.found.
	AllowIfNone bool

	standIns map[string]security.Principal // see authorizer
}

func (c *AuthorizerConfig) authorizer() *authorizer {
	if c == nil {
		return nil
	}
	a := &authorizer{policy: acl.Policy{SuperUsers: map[string]bool{}, AllowIfNone: c.AllowIfNone}, standIns: c.standIns}
	for _, p := range c.SuperUsers {
		a.policy.SuperUsers[p.String()] = true
	}
	return a
}

// accessOf is what a connection's principal may do by the newest ACLs. It is the reader's.
func (s *Server) accessOf(c *transport.Conn, who *security.Identity) *acl.Access {
	st, set := stateOf(c), s.cluster.Image().ACLs()
	if st.access == nil || !st.access.Of(set) {
		st.access = acl.NewAccess(set, &s.authorizer.policy, who.Principal.String(), who.Host)
	}
	return st.access
}

// allowed asks the authorizer, and has the audit told.
func (p *passage) allowed(op kmsg.ACLOperation, kind kmsg.ACLResourceType, name string) bool {
	ok := p.access.Allows(acl.Operation(op), acl.ResourceType(kind), name)
	p.audit(op, kind, name, ok)
	return ok
}

// may reports whether what the request's row needs of a resource is met. Of the needs
// that hold only under a condition, those of the given ones count.
func (p *passage) may(kind kmsg.ACLResourceType, name string, when ...condition) bool {
	for i := range p.api.needs {
		n := &p.api.needs[i]
		if n.scope == scopeListed || !n.holds(when) {
			continue
		}
		if n.scope == scopeInstead {
			if p.access.Allows(acl.Operation(n.operation), acl.ResourceType(n.resource), acl.ClusterName) {
				return true
			}
			continue
		}
		if n.resource != kind {
			continue
		}
		if n.scope == scopeAny {
			ok := p.access.AllowsAny(acl.Operation(n.operation), acl.ResourceType(kind))
			p.audit(n.operation, kind, acl.Wildcard, ok)
			return ok
		}
		return p.allowed(n.operation, kind, name)
	}
	return false
}

// sees reports whether the principal may be shown a resource: what is listed is left
// out otherwise, without a word to the audit.
func (p *passage) sees(kind kmsg.ACLResourceType, name string) bool {
	for i := range p.api.needs {
		n := &p.api.needs[i]
		switch {
		case n.scope == scopeInstead && p.listsOnly():
			if p.access.Allows(acl.Operation(n.operation), acl.ResourceType(n.resource), acl.ClusterName) {
				return true
			}
		case n.scope == scopeListed && n.resource == kind:
			return p.access.Allows(acl.Operation(n.operation), acl.ResourceType(kind), name)
		}
	}
	return false
}

// listsOnly reports whether the row has no need but for what is listed: then what
// stands instead of one stands instead of that.
func (p *passage) listsOnly() bool {
	for i := range p.api.needs {
		if s := p.api.needs[i].scope; s != scopeListed && s != scopeInstead {
			return false
		}
	}
	return true
}

// describes reports whether the principal may see that a topic exists.
func (p *passage) describes(topic string) bool {
	return p.access.Allows(acl.OpDescribe, acl.TypeTopic, topic)
}

func (n *need) holds(when []condition) bool {
	if n.when == always {
		return len(when) == 0
	}
	for _, c := range when {
		if n.when == c {
			return true
		}
	}
	return false
}

// operations are those of a resource that the principal may do, as bits (KIP-430).
func (p *passage) operations(kind kmsg.ACLResourceType, name string, of int32) int32 {
	return p.access.Operations(acl.ResourceType(kind), name, of)
}

// topicName is the name of a topic that a request names by one of the two, by its id
// where there is one. ok is false for an id that no topic has.
func (p *passage) topicName(name string, id protocol.TopicID) (string, bool) {
	if id.IsZero() {
		return name, true
	}
	t, ok := p.srv.cluster.Image().TopicByID(id)
	if !ok {
		return "", false
	}
	return t.Name, true
}

// image is the newest one.
func (p *passage) image() *image.Image { return p.srv.cluster.Image() }

// deniedTopic is the code for a topic that is denied: by its name 29, whether there
// is one or not; by its id that of an id which no topic has, for the same reason.
func deniedTopic(id protocol.TopicID) int16 {
	if id.IsZero() {
		return kerr.TopicAuthorizationFailed.Code
	}
	return kerr.UnknownTopicID.Code
}

// emptied reports whether nothing is left of a list that asks for all where it is empty.
func emptied(x *transport.Exchange) bool {
	p := passageOf(x)
	return p != nil && p.emptied
}

// refuse answers who may do nothing of what it asked for. Who wants no answer is
// told by the end of the connection, as of any other error.
func refuse(x *transport.Exchange, req kmsg.Request, refusal kmsg.Response) {
	if produce, ok := req.(*kmsg.ProduceRequest); ok && produce.Acks == int16(replica.AcksNone) {
		x.HangUp()
		return
	}
	finish(x, message{refusal})
}

// amend has the answer changed before it is sent.
func amend[R kmsg.Response](p *passage, change func(R)) {
	p.amends = append(p.amends, func(resp kmsg.Response) { change(resp.(R)) })
}

// amend changes the answer to a request that passed. p may be nil.
func (p *passage) amend(resp kmsg.Response) {
	if p == nil {
		return
	}
	for _, change := range p.amends {
		change(resp)
	}
}

// take moves what is not allowed out of a list, and returns it.
func take[T any](p *passage, list *[]T, allowed func(*T) bool) (denied []T) {
	all := *list
	kept := 0
	for i := range all {
		if allowed(&all[i]) {
			if kept != i {
				all[kept] = all[i]
			}
			kept++
			continue
		}
		denied = append(denied, all[i])
	}
	*list = all[:kept]
	p.denied = p.denied || len(denied) > 0
	return denied
}

// refuses is the answer, which has a code of its own, that refuses all of a request.
func refuses(req kmsg.Request, code *kerr.Error) kmsg.Response {
	resp := req.ResponseKind()
	setCode(resp, code)
	return resp
}

// onlyNeedsCluster guards what needs nothing but an operation on the cluster.
func onlyNeedsCluster(p *passage, req kmsg.Request) kmsg.Response {
	if p.may(onCluster, acl.ClusterName) {
		return nil
	}
	return refuses(req, kerr.ClusterAuthorizationFailed)
}

// onlyNeedsGroup guards what names one group and needs nothing else.
func onlyNeedsGroup[Q kmsg.Request](groupOf func(Q) string) guard {
	return func(p *passage, req kmsg.Request) kmsg.Response {
		if p.may(onGroup, groupOf(req.(Q))) {
			return nil
		}
		return refuses(req, kerr.GroupAuthorizationFailed)
	}
}
