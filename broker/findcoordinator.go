package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/coordination"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// What FindCoordinator looks for.
const (
	coordinatorOfGroup       int8 = 0
	coordinatorOfTransaction int8 = 1
)

// findCoordinatorBatch is the version from which on several keys are asked for
// at once (KIP-699).
const findCoordinatorBatch = 4

func (s *Server) findCoordinator(x *transport.Exchange, req *kmsg.FindCoordinatorRequest) kmsg.Response {
	resp := respond[*kmsg.FindCoordinatorResponse](req)
	if req.Version < findCoordinatorBatch {
		c := s.coordinatorFor(x, req.CoordinatorType, req.CoordinatorKey)
		resp.ErrorCode, resp.ErrorMessage = c.ErrorCode, c.ErrorMessage
		resp.NodeID, resp.Host, resp.Port = c.NodeID, c.Host, c.Port
		return resp
	}
	for _, key := range req.CoordinatorKeys {
		resp.Coordinators = append(resp.Coordinators, s.coordinatorFor(x, req.CoordinatorType, key))
	}
	return resp
}

// coordinatorFor finds the broker that a key belongs to: the leader of the
// group's or the transactional id's partition of its topic, at the address that the
// client's listener has for it.
func (s *Server) coordinatorFor(x *transport.Exchange, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key = key
	var err error
	switch kind {
	case coordinatorOfGroup:
		out.NodeID, out.Host, out.Port, err = s.coordinatorIn(x, s.groups.topic, key)
	case coordinatorOfTransaction:
		out.NodeID, out.Host, out.Port, err = s.coordinatorIn(x, s.transactions.topic, key)
	default:
		err = fmt.Errorf("%w: there are no coordinators of type %d", refusal.ErrInvalidRequest, kind)
	}
	if err != nil {
		out.ErrorCode, out.ErrorMessage = codeOf(err), textOf(err)
		out.NodeID, out.Host, out.Port = int32(protocol.NoBroker), "", -1
	}
	return out
}

// coordinatorIn makes the coordinators' topic if there is none yet.
func (s *Server) coordinatorIn(x *transport.Exchange, topic *coordination.Topic, key string) (node int32, host string, port int32, err error) {
	if _, err := s.partitionsOf(x, topic); err != nil {
		return 0, "", 0, err
	}
	v := s.view(x)
	t, ok := v.Topic(topic.Name)
	if !ok {
		return 0, "", 0, kerr.CoordinatorNotAvailable
	}
	leader, live := v.Broker(t.Partitions[group.PartitionOf(key, int32(len(t.Partitions)))].Leader)
	if !live {
		return 0, "", 0, kerr.CoordinatorNotAvailable
	}
	e, ok := v.endpoint(&leader)
	if !ok {
		return 0, "", 0, kerr.CoordinatorNotAvailable
	}
	return int32(leader.ID), e.Host, e.Port, nil
}
