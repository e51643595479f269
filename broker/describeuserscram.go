package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/image"
)

// scramMechanisms are SCRAM's mechanisms by Kafka's numbers, in the order of those.
var scramMechanisms = []scramMechanism{{1, security.ScramSHA256}, {2, security.ScramSHA512}}

type scramMechanism struct {
	number int8
	name   string
}

// scramCredential is what is kept of a user's password.
func (s *Server) scramCredential(mechanism, user string) (security.ScramCredential, bool) {
	v, ok := s.cluster.Image().User(user).Credentials[mechanism]
	return security.ScramCredential(v), ok
}

// describeUserScram tells which mechanisms users have, and nothing of the secrets.
func (s *Server) describeUserScram(_ *transport.Exchange, req *kmsg.DescribeUserSCRAMCredentialsRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeUserSCRAMCredentialsResponse](req)
	im := s.cluster.Image()
	if len(req.Users) == 0 {
		for _, name := range im.Users() {
			resp.Results = append(resp.Results, describeUser(im, name))
		}
		return resp
	}
	named := tallyOf(req.Users, func(u *kmsg.DescribeUserSCRAMCredentialsRequestUser) string { return u.Name })
	for i := range req.Users {
		name := req.Users[i].Name
		times := named.take(name)
		if times == 0 {
			continue
		}
		r := describeUser(im, name)
		switch {
		case times > 1:
			r = kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
			r.User, r.ErrorCode = name, kerr.DuplicateResource.Code
			r.ErrorMessage = kmsg.StringPtr("Cannot describe SCRAM credentials for the same user twice in a single request: " + name)
		case len(r.CredentialInfos) == 0:
			r.ErrorCode = kerr.ResourceNotFound.Code
			r.ErrorMessage = kmsg.StringPtr("Attempt to describe a user credential that does not exist: " + name)
		}
		resp.Results = append(resp.Results, r)
	}
	return resp
}

func describeUser(im *image.Image, name string) kmsg.DescribeUserSCRAMCredentialsResponseResult {
	r := kmsg.NewDescribeUserSCRAMCredentialsResponseResult()
	r.User = name
	for _, m := range scramMechanisms {
		if c, ok := im.User(name).Credentials[m.name]; ok {
			info := kmsg.NewDescribeUserSCRAMCredentialsResponseResultCredentialInfo()
			info.Mechanism, info.Iterations = m.number, int32(c.Iterations)
			r.CredentialInfos = append(r.CredentialInfos, info)
		}
	}
	return r
}
