package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
)

// alterConfigs replaces all settings of a resource: what the request does not
// name goes back to its default. Its successor is incrementalAlterConfigs.
func (s *Server) alterConfigs(x *transport.Exchange, req *kmsg.AlterConfigsRequest) kmsg.Response {
	resp := respond[*kmsg.AlterConfigsResponse](req)
	asked := func(rr *kmsg.AlterConfigsRequestResource) alteration {
		change := func() (coordinator.ConfigChange, error) { return replacement(rr.Configs) }
		return alteration{configResource{rr.ResourceType, rr.ResourceName}, change}
	}
	for _, a := range alterEach(s, x, req.Resources, asked, req.ValidateOnly) {
		resp.Resources = append(resp.Resources, kmsg.AlterConfigsResponseResource(a))
	}
	return resp
}

// alteration is what a request asks for of one resource.
type alteration struct {
	configResource
	change func() (coordinator.ConfigChange, error) // looked at when all before it is done
}

// altered is what became of one resource. Both requests answer with the same.
type altered kmsg.IncrementalAlterConfigsResponseResource

// alterEach alters each resource of a request, once, and waits until the changes
// are in force.
func alterEach[R any](s *Server, x *transport.Exchange, resources []R, asked func(*R) alteration, validateOnly bool) []altered {
	ctx, cancel := withinDefault(x)
	defer cancel()
	var done []configResource
	var errs []error
	named := tallyOf(resources, func(rr *R) configResource { return asked(rr).configResource })
	for i := range resources {
		a := asked(&resources[i])
		times := named.take(a.configResource)
		if times == 0 {
			continue
		}
		err := errTwice(a.kind.String(), a.name)
		if times == 1 {
			err = s.alter(ctx, a, validateOnly)
		}
		done, errs = append(done, a.configResource), append(errs, err)
	}
	settled := s.settleChange(ctx, validateOnly)
	all := make([]altered, len(done))
	for i, r := range done {
		if errs[i] == nil {
			errs[i] = settled
		}
		all[i] = altered{ResourceType: r.kind, ResourceName: r.name, ErrorCode: codeOf(errs[i]), ErrorMessage: textOf(errs[i])}
	}
	return all
}

// replacement is the change that leaves nothing set but what is named.
func replacement(configs []kmsg.AlterConfigsRequestResourceConfig) (coordinator.ConfigChange, error) {
	ch := coordinator.ConfigChange{Set: make(map[string]string, len(configs)), ReplaceAll: true}
	for _, c := range configs {
		if _, twice := ch.Set[c.Name]; twice {
			return ch, errTwice("setting", c.Name)
		}
		if c.Value == nil {
			return ch, errNoValue(c.Name)
		}
		ch.Set[c.Name] = *c.Value
	}
	return ch, nil
}

func errNoValue(name string) error {
	return fmt.Errorf("%w: %s has no value", refusal.ErrInvalidRequest, name)
}

func (s *Server) alter(ctx context.Context, a alteration, validateOnly bool) error {
	ch, err := a.change()
	if err != nil {
		return err
	}
	ch.ValidateOnly = validateOnly
	switch {
	case a.kind == kmsg.ConfigResourceTypeTopic:
		return s.cluster.AlterTopicConfigs(ctx, a.name, ch)
	case a.kind == kmsg.ConfigResourceTypeGroupConfig:
		return s.cluster.AlterGroupConfigs(ctx, a.name, ch, s.groupLayers())
	case a.kind != kmsg.ConfigResourceTypeBroker:
		return errNoConfigs(a.configResource)
	case a.name == "":
		return s.cluster.AlterClusterConfigs(ctx, ch)
	}
	id, err := brokerOf(a.configResource)
	if err != nil {
		return err
	}
	return s.cluster.AlterBrokerConfigs(ctx, id, ch)
}
