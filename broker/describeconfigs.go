package broker

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

// configResource names what has settings. A broker's name is its id; "" stands
// for all brokers.
type configResource struct {
	kind kmsg.ConfigResourceType
	name string
}

func (s *Server) describeConfigs(_ *transport.Exchange, req *kmsg.DescribeConfigsRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeConfigsResponse](req)
	named := tallyOf(req.Resources, describedResource)
	for i := range req.Resources {
		rr := &req.Resources[i]
		r := describedResource(rr)
		var values []settings.Value
		var err error
		switch named.take(r) {
		case 0:
			continue
		case 1:
			values, err = s.valuesOf(r)
		default:
			err = errTwice(r.kind.String(), r.name)
		}
		out := kmsg.NewDescribeConfigsResponseResource()
		out.ResourceType, out.ResourceName = r.kind, r.name
		out.ErrorCode, out.ErrorMessage = codeOf(err), textOf(err)
		for j := range values {
			if v := &values[j]; wantsConfig(rr, v.Definition.Name) {
				out.Configs = append(out.Configs, describedConfig(req, v))
			}
		}
		resp.Resources = append(resp.Resources, out)
	}
	return resp
}

func describedResource(rr *kmsg.DescribeConfigsRequestResource) configResource {
	return configResource{rr.ResourceType, rr.ResourceName}
}

// wantsConfig reports whether a setting is asked for. No list, like an empty one, asks for all.
func wantsConfig(rr *kmsg.DescribeConfigsRequestResource, name string) bool {
	return len(rr.ConfigNames) == 0 || slices.Contains(rr.ConfigNames, name)
}

// valuesOf are the settings of a resource.
func (s *Server) valuesOf(r configResource) ([]settings.Value, error) {
	switch {
	case r.kind == kmsg.ConfigResourceTypeTopic:
		t, ok := s.cluster.Image().Topic(r.name)
		if !ok {
			return nil, fmt.Errorf("%w: %s", unknownName(r.name), r.name)
		}
		return s.topicValues(t), nil
	case r.kind == kmsg.ConfigResourceTypeGroupConfig && r.name == "":
		return nil, refusal.New(refusal.ErrInvalidRequest, "Group name must not be empty")
	case r.kind == kmsg.ConfigResourceTypeGroupConfig:
		return s.groupValues(r.name), nil
	case r.kind != kmsg.ConfigResourceTypeBroker:
		return nil, errNoConfigs(r)
	case r.name == "":
		return s.clusterValues(), nil
	}
	id, err := brokerOf(r)
	if err != nil {
		return nil, err
	}
	if id != s.cfg.NodeID {
		return nil, fmt.Errorf("%w: this is broker %d, and broker %d is asked for", refusal.ErrInvalidRequest, s.cfg.NodeID, id)
	}
	return s.brokerValues(), nil
}

// errNoConfigs refuses a kind of resource that has no settings here.
func errNoConfigs(r configResource) error {
	return fmt.Errorf("%w: a resource of type %s has no settings here", refusal.ErrInvalidRequest, r.kind)
}

// brokerOf reads the broker's id out of its resource's name.
func brokerOf(r configResource) (protocol.BrokerID, error) {
	id, err := strconv.ParseInt(r.name, 10, 32)
	if err != nil || id < 0 {
		return 0, fmt.Errorf("%w: %q is no broker id", refusal.ErrInvalidRequest, r.name)
	}
	return protocol.BrokerID(id), nil
}

func describedConfig(req *kmsg.DescribeConfigsRequest, v *settings.Value) kmsg.DescribeConfigsResponseResourceConfig {
	out := kmsg.NewDescribeConfigsResponseResourceConfig()
	out.Name, out.ReadOnly = v.Definition.Name, v.Definition.ReadOnly
	out.Source, out.ConfigType = kmsg.ConfigSource(v.Source), kmsg.ConfigType(v.Definition.Type)
	out.IsSensitive = v.Definition.Type == settings.Password
	if !v.Unset {
		out.Value = kmsg.StringPtr(v.Value)
	}
	if req.IncludeDocumentation {
		out.Documentation = kmsg.StringPtr(v.Definition.Doc)
	}
	if req.IncludeSynonyms {
		for _, syn := range v.Synonyms {
			out.ConfigSynonyms = append(out.ConfigSynonyms, kmsg.DescribeConfigsResponseResourceConfigConfigSynonym{
				Name: syn.Name, Value: kmsg.StringPtr(syn.Value), Source: kmsg.ConfigSource(syn.Source),
			})
		}
	}
	return out
}
