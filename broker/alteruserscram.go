package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/security"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

// userAlteration is what a request wants of one user.
type userAlteration struct {
	name   string
	change coordinator.UserChange
	times  int // that the request names the user
	code   *kerr.Error
	why    string
}

// alterUserScram sets and deletes credentials of SCRAM (KIP-554). Each user is altered
// once in a request; the others are altered all the same where one cannot be.
func (s *Server) alterUserScram(x *transport.Exchange, req *kmsg.AlterUserSCRAMCredentialsRequest) kmsg.Response {
	resp := respond[*kmsg.AlterUserSCRAMCredentialsResponse](req)
	ctx, cancel := withinDefault(x)
	defer cancel()
	for _, a := range userAlterations(req) {
		r := kmsg.NewAlterUserSCRAMCredentialsResponseResult()
		r.User = a.name
		if a.code == nil {
			if err := s.cluster.AlterUser(ctx, a.name, a.change); err != nil {
				r.ErrorCode, r.ErrorMessage = codeOf(err), kmsg.StringPtr(err.Error())
			}
		} else {
			r.ErrorCode, r.ErrorMessage = a.code.Code, kmsg.StringPtr(a.why)
		}
		resp.Results = append(resp.Results, r)
	}
	return resp
}

// userAlterations are the users that a request names, in that order.
func userAlterations(req *kmsg.AlterUserSCRAMCredentialsRequest) []*userAlteration {
	var all []*userAlteration
	byName := map[string]*userAlteration{}
	named := func(name string) *userAlteration {
		a := byName[name]
		if a == nil {
			a = &userAlteration{name: name}
			byName[name], all = a, append(all, a)
		}
		if a.times++; a.times > 1 {
			a.refuse(kerr.DuplicateResource, "A user credential cannot be altered twice in the same request")
		}
		return a
	}
	for i := range req.Deletions {
		named(req.Deletions[i].Name).remove(&req.Deletions[i])
	}
	for i := range req.Upsertions {
		named(req.Upsertions[i].Name).set(&req.Upsertions[i])
	}
	return all
}

// refuse notes why; that it is named twice comes before all else.
func (a *userAlteration) refuse(code *kerr.Error, why string) {
	if a.code == nil || code == kerr.DuplicateResource {
		a.code, a.why = code, why
	}
}

func (a *userAlteration) mechanism(number int8) string {
	i := slices.IndexFunc(scramMechanisms, func(m scramMechanism) bool { return m.number == number })
	if a.name == "" {
		a.refuse(kerr.UnacceptableCredential, "Username must not be empty")
	}
	if i < 0 {
		a.refuse(kerr.UnsupportedSaslMechanism, "Unknown SCRAM mechanism")
		return ""
	}
	return scramMechanisms[i].name
}

func (a *userAlteration) remove(d *kmsg.AlterUserSCRAMCredentialsRequestDeletion) {
	a.change.Delete = append(a.change.Delete, a.mechanism(d.Mechanism))
}

func (a *userAlteration) set(u *kmsg.AlterUserSCRAMCredentialsRequestUpsertion) {
	mechanism := a.mechanism(u.Mechanism)
	switch {
	case u.Iterations < security.ScramIterationsMin:
		a.refuse(kerr.UnacceptableCredential, "Too few iterations")
	case u.Iterations > security.ScramIterationsMax:
		a.refuse(kerr.UnacceptableCredential, "Too many iterations")
	case len(u.SaltedPassword) == 0:
		a.refuse(kerr.UnacceptableCredential, "The salted password is empty")
	}
	if a.code != nil {
		return
	}
	c, err := security.NewScramCredential(mechanism, slices.Clone(u.Salt), u.SaltedPassword, int(u.Iterations))
	if err != nil {
		a.refuse(kerr.UnacceptableCredential, err.Error())
		return
	}
	a.change.Set = store.UserValue{mechanism: store.ScramValue(c)}
}
