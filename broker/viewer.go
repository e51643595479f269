package broker

import (
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/lockstep-log/lockstep/broker/admin"
	"github.com/lockstep-log/lockstep/broker/audit"
	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/coordinator/acl"
)

// httpViewer is a client of HTTP, judged by the same ACLs as one of Kafka's protocol.
type httpViewer struct {
	srv    *Server
	who    *security.Identity
	path   string
	access *acl.Access
}

// errWrongCredentials is all that is told of them.
var errWrongCredentials = errors.New("wrong user or password")

// Viewer implements admin.Source. Who shows no credentials is anonymous, and may be
// shown what ACLs allow that user.
func (a adminSource) Viewer(r *http.Request) (admin.Viewer, error) {
	s := a.srv
	if s.authorizer == nil {
		return admin.Everybody, nil
	}
	host := hostOfHTTP(r)
	who := &security.Identity{Principal: security.Anonymous, Listener: "http", Host: host}
	if r.Header.Get("Authorization") != "" {
		user, err := s.authenticateHTTP(r)
		if err != nil {
			s.auditLog.Note(audit.Event{Principal: who.Principal.String(), Host: host, Listener: "http", Request: r.URL.Path, Why: err.Error()})
			return nil, err
		}
		who.Principal, who.Authenticated = user, true
	}
	access := acl.NewAccess(s.cluster.Image().ACLs(), &s.authorizer.policy, who.Principal.String(), host)
	return &httpViewer{s, who, r.URL.Path, access}, nil
}

// MayRead implements admin.Viewer.
func (v *httpViewer) MayRead(topic string) bool {
	ok := v.access.Allows(acl.OpRead, acl.TypeTopic, topic)
	v.audit("READ", "TOPIC", topic, ok)
	return ok
}

// MayDescribeCluster implements admin.Viewer.
func (v *httpViewer) MayDescribeCluster() bool {
	ok := v.access.Allows(acl.OpDescribe, acl.TypeCluster, acl.ClusterName)
	v.audit("DESCRIBE", "CLUSTER", acl.ClusterName, ok)
	return ok
}

// Anonymous implements admin.Viewer.
func (v *httpViewer) Anonymous() bool { return !v.who.Authenticated }

func (v *httpViewer) audit(op, resource, name string, ok bool) {
	v.srv.auditLog.Note(audit.Event{
		Principal: v.who.Principal.String(), Host: v.who.Host, Listener: v.who.Listener, Request: v.path,
		Operation: op, Resource: resource, Name: name, Allowed: ok,
	})
}

// ShowsLockNames implements admin.Source.
func (a adminSource) ShowsLockNames() bool {
	return a.srv.authorizer == nil || a.srv.cfg.MetricsLockNames
}

// passwordsAtOnce bounds how many passwords are looked at together: each costs
// milliseconds, by design.
const passwordsAtOnce = 2

// authenticateHTTP is the user whose credentials a request shows: a password of SCRAM or
// PLAIN, or a token. This port does not speak TLS, so that a password is taken from
// this machine alone: who sends one over a network has told it already.
func (s *Server) authenticateHTTP(r *http.Request) (security.Principal, error) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if s.mechanisms.Tokens == nil {
			return security.Principal{}, errWrongCredentials
		}
		proof, err := s.mechanisms.Tokens.Verify(token)
		if err != nil {
			return security.Principal{}, errWrongCredentials
		}
		return security.UserNamed(proof.User), nil
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		return security.Principal{}, errWrongCredentials
	}
	if ip := net.ParseIP(hostOfHTTP(r)); r.TLS == nil && (ip == nil || !ip.IsLoopback()) {
		return security.Principal{}, errPasswordInClear
	}
	select {
	case s.passwords <- struct{}{}:
		defer func() { <-s.passwords }()
	case <-r.Context().Done():
		return security.Principal{}, errWrongCredentials
	}
	proof, ok := s.mechanisms.Password(user, password)
	if !ok {
		return security.Principal{}, errWrongCredentials
	}
	return security.UserNamed(proof.User), nil
}

var errPasswordInClear = errors.New("a password is taken from this machine alone, since this port does not speak TLS: use a token")

// hostOfHTTP is the client's address, without the port.
func hostOfHTTP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
