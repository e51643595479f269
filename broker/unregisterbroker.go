package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// unregisterBroker finds nothing to do: a registration hangs on the life of its broker,
// so that of a dead one there is none, and a live one's would come again at once.
func (s *Server) unregisterBroker(_ *transport.Exchange, req *kmsg.UnregisterBrokerRequest) kmsg.Response {
	resp := respond[*kmsg.UnregisterBrokerResponse](req)
	err := refusal.New(refusal.ErrUnknownBroker, "Broker ID %d is not currently registered", req.BrokerID)
	if _, live := s.cluster.Image().Broker(protocol.BrokerID(req.BrokerID)); live {
		err = refusal.New(refusal.ErrInvalidRequest, "Broker ID %d is live: its registration ends when it stops", req.BrokerID)
	}
	resp.ErrorCode, resp.ErrorMessage = codeOf(err), textOf(err)
	return resp
}
