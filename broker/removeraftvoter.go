package broker

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// removeRaftVoter has the metadata's members forget one that is gone for good
// (KIP-853), and lets a new one take its place under its id: members of etcd are
// as many as --etcd-peers names. Which directory the old one had is not asked.
func (s *Server) removeRaftVoter(x *transport.Exchange, req *kmsg.RemoveRaftVoterRequest) kmsg.Response {
	resp := respond[*kmsg.RemoveRaftVoterResponse](req)
	err := s.refuseCluster(req.ClusterID)
	if err == nil {
		ctx, cancel := withinDefault(x)
		defer cancel()
		err = s.cluster.ReplaceMember(ctx, strconv.Itoa(int(req.VoterID)))
	}
	resp.ErrorCode, resp.ErrorMessage = codeOf(err), textOf(err)
	return resp
}

// refuseCluster refuses a request that is meant for another cluster; nil is any.
func (s *Server) refuseCluster(id *string) error {
	if own := s.cluster.Image().ClusterID; id != nil && *id != own {
		return fmt.Errorf("%w: it is for cluster %q, and this is %q", kerr.InconsistentClusterID, protocol.PrintableShort(*id), own)
	}
	return nil
}
