package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/protocol"
)

var _ = serves(protocol.KeyAlterConfigs, (*Server).alterConfigs)

// alterConfigs replaces all settings of a resource: what the request does not
// name goes back to its default. Its successor is incrementalAlterConfigs.
func (s *Server) alterConfigs(x *exchange, req *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := respond[*kmsg.AlterConfigsResponse](req)
	ctx, cancel := x.withinDefault()
	defer cancel()
	named := tallyOf(req.Resources, replacedResource)
	for i := range req.Resources {
		rr := &req.Resources[i]
		r := replacedResource(rr)
		var err error
		switch named.take(r) {
		case 0:
			continue
		case 1:
			err = s.replaceConfigs(ctx, r, rr.Configs, req.ValidateOnly)
		default:
			err = errTwice(r.kind.String(), r.name)
		}
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.kind, r.name
		out.ErrorCode, out.ErrorMessage = codeOf(err), textOf(err)
		resp.Resources = append(resp.Resources, out)
	}
	if err := s.settleChange(ctx, req.ValidateOnly); err != nil {
		for i := range resp.Resources {
			if r := &resp.Resources[i]; r.ErrorCode == 0 {
				r.ErrorCode, r.ErrorMessage = codeOf(err), textOf(err)
			}
		}
	}
	return resp
}

func replacedResource(rr *kmsg.AlterConfigsRequestResource) configResource {
	return configResource{rr.ResourceType, rr.ResourceName}
}

func (s *Server) replaceConfigs(ctx context.Context, r configResource, configs []kmsg.AlterConfigsRequestResourceConfig, validateOnly bool) error {
	set := make(map[string]string, len(configs))
	for _, c := range configs {
		if _, twice := set[c.Name]; twice {
			return errTwice("setting", c.Name)
		}
		if c.Value == nil {
			return errNoValue(c.Name)
		}
		set[c.Name] = *c.Value
	}
	return s.alter(ctx, r, alteration{set: set, replaceAll: true}, validateOnly)
}

func errNoValue(name string) error {
	return fmt.Errorf("%w: %s has no value", coordinator.ErrInvalidRequest, name)
}

// alteration is a change of one resource's settings.
type alteration struct {
	set        map[string]string
	unset      []string
	replaceAll bool // what is not set goes
}

func (s *Server) alter(ctx context.Context, r configResource, a alteration, validateOnly bool) error {
	switch {
	case r.kind == kmsg.ConfigResourceTypeTopic:
		return s.cluster.AlterTopicConfigs(ctx, r.name, a.set, a.unset, a.replaceAll, validateOnly)
	case r.kind != kmsg.ConfigResourceTypeBroker:
		return errNoConfigs(r)
	case r.name == "":
		return s.cluster.AlterClusterConfigs(ctx, a.set, a.unset, a.replaceAll, validateOnly)
	}
	id, err := brokerOf(r)
	if err != nil {
		return err
	}
	return s.cluster.AlterBrokerConfigs(ctx, id, a.set, a.unset, a.replaceAll, validateOnly)
}
