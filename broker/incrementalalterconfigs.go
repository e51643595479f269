package broker

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

// incrementalAlterConfigs changes the named settings of a resource (KIP-339).
func (s *Server) incrementalAlterConfigs(x *transport.Exchange, req *kmsg.IncrementalAlterConfigsRequest) kmsg.Response {
	resp := respond[*kmsg.IncrementalAlterConfigsResponse](req)
	asked := func(rr *kmsg.IncrementalAlterConfigsRequestResource) alteration {
		r := configResource{rr.ResourceType, rr.ResourceName}
		return alteration{r, func() (coordinator.ConfigChange, error) { return s.changeOf(r, rr.Configs) }}
	}
	for _, a := range alterEach(s, x, req.Resources, asked, req.ValidateOnly) {
		resp.Resources = append(resp.Resources, kmsg.IncrementalAlterConfigsResponseResource(a))
	}
	return resp
}

// settingChange is one change of one setting.
type settingChange = kmsg.IncrementalAlterConfigsRequestResourceConfig

// changeOf puts the changes of a resource's settings together.
func (s *Server) changeOf(r configResource, changes []settingChange) (coordinator.ConfigChange, error) {
	ch := coordinator.ConfigChange{Set: map[string]string{}}
	named := tallyOf(changes, func(c *settingChange) string { return c.Name })
	for i := range changes {
		c := &changes[i]
		if named[c.Name] > 1 {
			return ch, errTwice("setting", c.Name)
		}
		if err := s.addChange(&ch, r, c); err != nil {
			return ch, err
		}
	}
	return ch, nil
}

// addChange adds the change of one setting.
func (s *Server) addChange(ch *coordinator.ConfigChange, r configResource, c *settingChange) error {
	if c.Op == kmsg.IncrementalAlterConfigOpDelete {
		ch.Unset = append(ch.Unset, c.Name)
		return nil
	}
	if c.Value == nil {
		return errNoValue(c.Name)
	}
	switch c.Op {
	case kmsg.IncrementalAlterConfigOpSet:
		ch.Set[c.Name] = *c.Value
		return nil
	case kmsg.IncrementalAlterConfigOpAppend:
		return s.changeList(ch, r, c, settings.AddItems)
	case kmsg.IncrementalAlterConfigOpSubtract:
		return s.changeList(ch, r, c, settings.RemoveItems)
	default:
		return fmt.Errorf("%w: %d is no operation on %s", refusal.ErrInvalidRequest, c.Op, c.Name)
	}
}

// changeList changes a list setting from the value that is in force. Two
// requests that do so to one setting at the same time may lose one of the
// changes, as in Kafka; SET does not look at what was.
func (s *Server) changeList(ch *coordinator.ConfigChange, r configResource, c *settingChange, change func(value, items string) string) error {
	for _, v := range s.valuesInForce(r) {
		if v.Definition.Name != c.Name {
			continue
		}
		if v.Definition.Type != settings.List {
			return fmt.Errorf("%w: %s is no list, to which items could be added or taken away", refusal.ErrInvalidConfig, c.Name)
		}
		ch.Set[c.Name] = change(v.Value, *c.Value)
		return nil
	}
	// An unknown setting, or topic: what alters it will say so.
	ch.Set[c.Name] = *c.Value
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
