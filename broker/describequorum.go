package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
)

const noQuorum = "Metadata is kept in etcd here: there is no KRaft quorum to describe."

// describeQuorum says that there is none, with the code that Kafka's brokers gave while
// their metadata was in ZooKeeper: it is what tools expect of a cluster without.
func (s *Server) describeQuorum(_ *transport.Exchange, req *kmsg.DescribeQuorumRequest) kmsg.Response {
	resp := respond[*kmsg.DescribeQuorumResponse](req)
	resp.ErrorCode, resp.ErrorMessage = kerr.UnsupportedVersion.Code, kmsg.StringPtr(noQuorum)
	return resp
}
