package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// unregisterBroker has the cluster forget a broker that is down for good and holds no
// replicas: its member of the metadata, its settings, and whose its id was. One of whom
// nothing is known is an error, and so is one that lives.
func (s *Server) unregisterBroker(x *transport.Exchange, req *kmsg.UnregisterBrokerRequest) kmsg.Response {
	resp := respond[*kmsg.UnregisterBrokerResponse](req)
	id := protocol.BrokerID(req.BrokerID)
	ctx, cancel := withinDefault(x)
	defer cancel()
	_, live := s.cluster.Image().Broker(id)
	var err error
	switch {
	case live:
		err = refusal.New(refusal.ErrInvalidRequest, "Broker ID %d is live: its registration ends when it stops", req.BrokerID)
	case !s.cluster.KnowsBroker(id):
		err = refusal.New(refusal.ErrUnknownBroker, "Broker ID %d is not currently registered", req.BrokerID)
	default:
		err = s.cluster.RemoveMember(ctx, id)
	}
	resp.ErrorCode, resp.ErrorMessage = codeOf(err), textOf(err)
	return resp
}
