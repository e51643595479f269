package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// createPartitions answers when the added partitions can be produced to.
func (s *Server) createPartitions(x *transport.Exchange, req *kmsg.CreatePartitionsRequest) kmsg.Response {
	resp := respond[*kmsg.CreatePartitionsResponse](req)
	ctx, cancel := within(x, req.TimeoutMillis)
	defer cancel()
	named := tallyOf(req.Topics, func(t *kmsg.CreatePartitionsRequestTopic) string { return t.Topic })
	for i := range req.Topics {
		rt := &req.Topics[i]
		var err error
		switch named.take(rt.Topic) {
		case 0:
			continue
		case 1:
			err = s.addPartitions(ctx, rt, req.ValidateOnly)
		default:
			err = errTwice("topic", rt.Topic)
		}
		out := kmsg.NewCreatePartitionsResponseTopic()
		out.Topic, out.ErrorCode, out.ErrorMessage = rt.Topic, codeOf(err), textOf(err)
		resp.Topics = append(resp.Topics, out)
	}
	if err := s.settleChange(ctx, req.ValidateOnly); err != nil {
		for i := range resp.Topics {
			if t := &resp.Topics[i]; t.ErrorCode == 0 {
				t.ErrorCode, t.ErrorMessage = codeOf(err), textOf(err)
			}
		}
	}
	return resp
}

func (s *Server) addPartitions(ctx context.Context, rt *kmsg.CreatePartitionsRequestTopic, validateOnly bool) error {
	if err := s.checkGrowth(ctx, rt); err != nil {
		return err
	}
	var assignment [][]protocol.BrokerID
	for _, a := range rt.Assignment {
		assignment = append(assignment, asBrokerIDs(a.Replicas))
	}
	return s.cluster.CreatePartitions(ctx, rt.Topic, rt.Count, assignment, validateOnly)
}
