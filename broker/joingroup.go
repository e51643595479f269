package broker

import (
	"bytes"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// The versions of JoinGroup at which something begins.
const (
	joinRebalanceTimeout = 1 // before it, the session's timeout stands for it
	joinKnownID          = 4 // KIP-394
	joinNullProtocol     = 7 // a refused member gets null instead of an empty protocol
	joinSkipAssignment   = 9 // KIP-814
)

// joinGroup is answered when the group's next generation begins.
func (s *Server) joinGroup(x *transport.Exchange, req *kmsg.JoinGroupRequest) kmsg.Response {
	join := group.JoinRequest{
		Group: req.Group, Member: req.MemberID, Instance: orEmpty(req.InstanceID),
		ClientID: x.Header.ClientID, Host: javaHost(x.Conn),
		SessionMs: int64(req.SessionTimeoutMillis), RebalanceMs: int64(req.RebalanceTimeoutMillis),
		ProtocolType: req.ProtocolType, Protocols: make([]group.Protocol, len(req.Protocols)),
		RequireKnownID: req.Version >= joinKnownID, CanSkipAssignment: req.Version >= joinSkipAssignment,
	}
	if req.Version < joinRebalanceTimeout {
		join.RebalanceMs = join.SessionMs
	}
	for i, p := range req.Protocols {
		join.Protocols[i] = group.Protocol{Name: p.Name, Metadata: bytes.Clone(p.Metadata)}
	}
	req.Protocols = nil
	answer := func(response any, err error) kmsg.Response { return joinResponse(req, response, err) }
	s.groups.serve(x, req.Group, func(sh *groupShard, err error) {
		if err != nil {
			sendResponse(x, answer(nil, err))
			return
		}
		sh.Apply(groupEffects(sh.Machine().Join(s.groups.nowMs(), park(sh, x, answer), join)))
	})
	return nil
}

// joinResponse encodes what the group answered, or why it could not.
func joinResponse(req *kmsg.JoinGroupRequest, response any, err error) kmsg.Response {
	resp := respond[*kmsg.JoinGroupResponse](req)
	if err != nil {
		response = group.JoinResponse{Err: err, Generation: -1, Member: req.MemberID}
	}
	r := response.(group.JoinResponse)
	resp.ErrorCode, resp.Generation, resp.MemberID, resp.LeaderID = codeOf(r.Err), r.Generation, r.Member, r.Leader
	resp.SkipAssignment = r.SkipAssignment
	if r.Err == nil {
		resp.ProtocolType, resp.Protocol = &r.ProtocolType, &r.Protocol
	} else if req.Version < joinNullProtocol {
		resp.Protocol = new(string)
	}
	resp.Members = make([]kmsg.JoinGroupResponseMember, len(r.Members))
	for i, m := range r.Members {
		resp.Members[i] = kmsg.JoinGroupResponseMember{MemberID: m.Member, InstanceID: orNil(m.Instance), ProtocolMetadata: m.Metadata}
	}
	return resp
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// javaHost is the client's address as Kafka shows it.
func javaHost(c *transport.Conn) string {
	addr := c.RemoteAddr().String()
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	return "/" + addr
}
