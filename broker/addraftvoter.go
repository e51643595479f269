package broker

import (
	"encoding/base64"
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/store/etcd"
	"github.com/lockstep-log/lockstep/protocol"
)

// peerListener is the name of the listener that a broker which joins names: where its
// member of the metadata is to be reached.
const peerListener = "peer"

// addRaftVoter lets a broker in (KIP-853). It keeps the metadata, if there are not
// enough brokers that do, and gets a vote on it as soon as that is of use. The broker is
// asked back at its listener, and must wait there: see package etcd.
func (s *Server) addRaftVoter(x *transport.Exchange, req *kmsg.AddRaftVoterRequest) kmsg.Response {
	resp := respond[*kmsg.AddRaftVoterResponse](req)
	err := s.refuseCluster(req.ClusterID)
	var at string
	if err == nil {
		at, err = peerURLOf(req, s.etcdTLS().Scheme())
	}
	if err == nil {
		ctx, cancel := within(x, req.TimeoutMillis)
		defer cancel()
		err = s.cluster.AddMember(ctx, coordinator.JoinRequest{
			Broker: protocol.BrokerID(req.VoterID), Directory: base64.RawURLEncoding.EncodeToString(req.VoterDirectoryID[:]),
			PeerURL: at, Port: s.portOptions(),
		})
	}
	resp.ErrorCode, resp.ErrorMessage = codeOf(err), textOf(err)
	return resp
}

func peerURLOf(req *kmsg.AddRaftVoterRequest, scheme string) (string, error) {
	if req.VoterID < 0 {
		return "", fmt.Errorf("%w: broker id %d is below 0", refusal.ErrInvalidRequest, req.VoterID)
	}
	for _, l := range req.Listeners {
		if l.Name == peerListener && l.Host != "" && l.Port != 0 {
			return scheme + "://" + net.JoinHostPort(l.Host, strconv.Itoa(int(l.Port))), nil
		}
	}
	return "", fmt.Errorf("%w: it names no listener %q", refusal.ErrInvalidRequest, peerListener)
}

// portOptions say where this broker's member is reached, once there are others.
func (s *Server) portOptions() etcd.PortOptions {
	o := etcd.PortOptions{Dir: s.etcdDir(), Listen: s.cfg.EtcdListen, TLS: s.etcdTLS()}
	for _, l := range s.listeners {
		if l.Name == s.cfg.InterBroker {
			o.Host = l.AdvertisedHost
		}
	}
	return o
}
