package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
)

// alterConfigs replaces all settings of a resource: what the request does not
// name goes back to its default. Its successor is incrementalAlterConfigs.
func (s *Server) alterConfigs(x *transport.Exchange, req *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := respond[*kmsg.AlterConfigsResponse](req)
	resource := func(rr *kmsg.AlterConfigsRequestResource) configResource {
		return configResource{rr.ResourceType, rr.ResourceName}
	}
	all := alterEach(s, x, req.Resources, resource, req.ValidateOnly,
		func(ctx context.Context, r configResource, rr *kmsg.AlterConfigsRequestResource) error {
			return s.replaceConfigs(ctx, r, rr.Configs, req.ValidateOnly)
		})
	for _, a := range all {
		out := kmsg.NewAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = a.kind, a.name
		out.ErrorCode, out.ErrorMessage = codeOf(a.err), textOf(a.err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// altered is what became of one resource.
type altered struct {
	configResource
	err error
}

// alterEach alters each resource of a request, once, and waits until the changes
// are in force.
func alterEach[R any](s *Server, x *transport.Exchange, resources []R, resource func(*R) configResource, validateOnly bool,
	alter func(context.Context, configResource, *R) error) []altered {
	ctx, cancel := withinDefault(x)
	defer cancel()
	var all []altered
	named := tallyOf(resources, resource)
	for i := range resources {
		r := resource(&resources[i])
		switch named.take(r) {
		case 0:
		case 1:
			all = append(all, altered{r, alter(ctx, r, &resources[i])})
		default:
			all = append(all, altered{r, errTwice(r.kind.String(), r.name)})
		}
	}
	if err := s.settleChange(ctx, validateOnly); err != nil {
		for i := range all {
			if all[i].err == nil {
				all[i].err = err
			}
		}
	}
	return all
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
	case r.kind == kmsg.ConfigResourceTypeGroupConfig:
		return s.cluster.AlterGroupConfigs(ctx, r.name, a.set, a.unset, a.replaceAll, validateOnly, s.groupLayers())
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
