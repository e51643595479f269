package broker

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

// incrementalAlterConfigs changes the named settings of a resource (KIP-339).
func (s *Server) incrementalAlterConfigs(x *transport.Exchange, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := respond[*kmsg.IncrementalAlterConfigsResponse](req)
	resource := func(rr *kmsg.IncrementalAlterConfigsRequestResource) configResource {
		return configResource{rr.ResourceType, rr.ResourceName}
	}
	all := alterEach(s, x, req.Resources, resource, req.ValidateOnly,
		func(ctx context.Context, r configResource, rr *kmsg.IncrementalAlterConfigsRequestResource) error {
			return s.changeConfigs(ctx, r, rr.Configs, req.ValidateOnly)
		})
	for _, a := range all {
		out := kmsg.NewIncrementalAlterConfigsResponseResource()
		out.ResourceType, out.ResourceName = a.kind, a.name
		out.ErrorCode, out.ErrorMessage = codeOf(a.err), textOf(a.err)
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

// configChange is one change of one setting.
type configChange = kmsg.IncrementalAlterConfigsRequestResourceConfig

func (s *Server) changeConfigs(ctx context.Context, r configResource, changes []configChange, validateOnly bool) error {
	a := alteration{set: map[string]string{}}
	named := tallyOf(changes, func(c *configChange) string { return c.Name })
	for i := range changes {
		c := &changes[i]
		if named[c.Name] > 1 {
			return errTwice("setting", c.Name)
		}
		if err := s.addChange(&a, r, c); err != nil {
			return err
		}
	}
	return s.alter(ctx, r, a, validateOnly)
}

// addChange adds one change to an alteration.
func (s *Server) addChange(a *alteration, r configResource, c *configChange) error {
	if c.Op == kmsg.IncrementalAlterConfigOpDelete {
		a.unset = append(a.unset, c.Name)
		return nil
	}
	if c.Value == nil {
		return errNoValue(c.Name)
	}
	switch c.Op {
	case kmsg.IncrementalAlterConfigOpSet:
		a.set[c.Name] = *c.Value
		return nil
	case kmsg.IncrementalAlterConfigOpAppend:
		return s.changeList(a, r, c, settings.AddItems)
	case kmsg.IncrementalAlterConfigOpSubtract:
		return s.changeList(a, r, c, settings.RemoveItems)
	default:
		return fmt.Errorf("%w: %d is no operation on %s", coordinator.ErrInvalidRequest, c.Op, c.Name)
	}
}

// changeList changes a list setting from the value that is in force. Two
// requests that do so to one setting at the same time may lose one of the
// changes, as in Kafka; SET does not look at what was.
func (s *Server) changeList(a *alteration, r configResource, c *configChange, change func(value, items string) string) error {
	for _, v := range s.valuesInForce(r) {
		if v.Definition.Name != c.Name {
			continue
		}
		if v.Definition.Type != settings.List {
			return fmt.Errorf("%w: %s is no list, to which items could be added or taken away", coordinator.ErrInvalidConfig, c.Name)
		}
		a.set[c.Name] = change(v.Value, *c.Value)
		return nil
	}
	// An unknown setting, or topic: what alters it will say so.
	a.set[c.Name] = *c.Value
	return nil
}

// valuesInForce are the settings from which a list is changed.
func (s *Server) valuesInForce(r configResource) []settings.Value {
	im := s.cluster.Image()
	cluster := settings.Layer{Source: settings.FromCluster, Values: im.ClusterConfigs()}
	switch {
	case r.kind == kmsg.ConfigResourceTypeTopic:
		if t, ok := im.Topic(r.name); ok {
			return s.topicValues(t)
		}
	case r.kind == kmsg.ConfigResourceTypeGroupConfig:
		return s.groupValues(r.name)
	case r.kind == kmsg.ConfigResourceTypeBroker && r.name == "":
		return settings.ResolveBroker(cluster)
	case r.kind == kmsg.ConfigResourceTypeBroker:
		if id, err := strconv.ParseInt(r.name, 10, 32); err == nil {
			own := settings.Layer{Source: settings.FromBroker, Values: im.BrokerConfigs(protocol.BrokerID(id))}
			return settings.ResolveBroker(own, cluster)
		}
	}
	return nil
}
