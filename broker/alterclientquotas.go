package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/quota"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
)

// alterClientQuotas changes each entity by itself. One that is named twice is refused
// as a whole, where Kafka applies the first and says nothing of it.
func (s *Server) alterClientQuotas(x *transport.Exchange, req *kmsg.AlterClientQuotasRequest) kmsg.Response {
	resp := respond[*kmsg.AlterClientQuotasResponse](req)
	ctx, cancel := withinDefault(x)
	defer cancel()
	entities := make([]quota.Entity, len(req.Entries))
	errs := make([]error, len(req.Entries))
	named := map[quota.Entity]int{}
	for i := range req.Entries {
		entities[i], errs[i] = alteredEntity(req.Entries[i].Entity)
		named[entities[i]]++
	}
	for i := range req.Entries {
		in := &req.Entries[i]
		if errs[i] == nil && named[entities[i]] > 1 {
			errs[i] = refusal.New(refusal.ErrInvalidRequest, "an entity is named twice")
		}
		if errs[i] == nil {
			set, remove := map[string]float64{}, []string(nil)
			for _, op := range in.Ops {
				if op.Remove {
					remove = append(remove, op.Key)
				} else {
					set[op.Key] = op.Value
				}
			}
			errs[i] = s.cluster.AlterQuotas(ctx, entities[i], set, remove, req.ValidateOnly)
		}
		out := kmsg.AlterClientQuotasResponseEntry{ErrorCode: codeOf(errs[i]), ErrorMessage: textOf(errs[i])}
		for _, p := range in.Entity {
			out.Entity = append(out.Entity, kmsg.AlterClientQuotasResponseEntryEntity(p))
		}
		resp.Entries = append(resp.Entries, out)
	}
	return resp
}

func alteredEntity(parts []kmsg.AlterClientQuotasRequestEntryEntity) (e quota.Entity, err error) {
	for i := range parts {
		p := quota.Default
		if parts[i].Name != nil {
			p = quota.Named(*parts[i].Name)
		}
		switch parts[i].Type {
		case quotaOfUser:
			e.User = p
		case quotaOfClient:
			e.ClientID = p
		case quotaOfIP:
			return e, fmt.Errorf("%w: quotas by address are not carried out here", refusal.ErrInvalidRequest)
		default:
			return e, refusal.New(refusal.ErrInvalidRequest, "Unhandled client quota entity type: %s", parts[i].Type)
		}
	}
	return e, nil
}
