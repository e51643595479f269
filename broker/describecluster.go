package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// The endpoint types of DescribeCluster (KIP-919). Brokers are all there are:
// the controllers of Lockstep are not spoken to.
const (
	endpointBroker     int8 = 1
	endpointController int8 = 2
)

func (s *Server) describeCluster(x *transport.Exchange, req *kmsg.DescribeClusterRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeClusterResponse](req)
	if err := checkEndpointType(req); err != nil {
		resp.ErrorCode, resp.ErrorMessage = codeOf(err), textOf(err)
		return resp
	}
	v := s.view(x)
	resp.ClusterID, resp.ControllerID = v.ClusterID, int32(v.Controller)
	resp.ClusterAuthorizedOperations = whenAsked(req.IncludeClusterAuthorizedOperations, clusterOperations)
	for _, n := range v.nodes() {
		resp.Brokers = append(resp.Brokers, kmsg.DescribeClusterResponseBroker{NodeID: n.id, Host: n.host, Port: n.port, Rack: n.rack})
	}
	if since, gone := s.cluster.StoreGone(); gone {
		resp.UnknownTags.Set(protocol.TagStale, protocol.AppendStale(nil, since))
	}
	return resp
}

func checkEndpointType(req *kmsg.DescribeClusterRequest) error {
	switch {
	case req.Version < 1 || req.EndpointType == endpointBroker:
		return nil
	case req.EndpointType == endpointController:
		return kerr.MismatchedEndpointType
	default:
		return kerr.UnsupportedEndpointType
	}
}
