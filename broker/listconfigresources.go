package broker

import (
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
)

// The kinds of resources that can be listed, by version, are Kafka's (KIP-1142).
// Topics, brokers and groups have settings here: of the others there are none.
var (
	listedKinds   = []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeTopic, kmsg.ConfigResourceTypeBroker, kmsg.ConfigResourceTypeBrokerLogger, kmsg.ConfigResourceTypeClientMetrics, kmsg.ConfigResourceTypeGroupConfig}
	listedKindsV0 = []kmsg.ConfigResourceType{kmsg.ConfigResourceTypeClientMetrics}
)

// listConfigResources names what has settings, of the kinds that are asked for
// or of all.
func (s *Server) listConfigResources(x *transport.Exchange, req *kmsg.ListConfigResourcesRequest) kmsg.Response {
	resp := respond[*kmsg.ListConfigResourcesResponse](req)
	allowed := listedKinds
	if req.Version < 1 {
		allowed = listedKindsV0
	}
	asked := make([]kmsg.ConfigResourceType, 0, len(allowed))
	for _, t := range req.ResourceTypes {
		kind := kmsg.ConfigResourceType(t)
		if !slices.Contains(allowed, kind) {
			resp.ErrorCode = kerr.UnsupportedVersion.Code
			return resp
		}
		// Once each: the list can be long.
		if !slices.Contains(asked, kind) {
			asked = append(asked, kind)
		}
	}
	if len(asked) == 0 {
		asked = allowed
	}
	v := s.view(x)
	for _, kind := range asked {
		for _, name := range v.configured(kind) {
			resp.ConfigResources = append(resp.ConfigResources, kmsg.ListConfigResourcesResponseConfigResource{Name: name, Type: int8(kind)})
		}
	}
	return resp
}

// configured are the names of the resources of a kind.
func (v view) configured(kind kmsg.ConfigResourceType) []string {
	var names []string
	switch kind {
	case kmsg.ConfigResourceTypeTopic:
		for _, t := range v.Topics() {
			names = append(names, t.Name)
		}
	case kmsg.ConfigResourceTypeBroker:
		for _, n := range v.nodes() {
			names = append(names, strconv.Itoa(int(n.id)))
		}
	case kmsg.ConfigResourceTypeGroupConfig:
		names = v.ConfiguredGroups()
	}
	return names
}
