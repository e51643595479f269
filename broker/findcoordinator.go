package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

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

// errNoTransactions refuses transactional producers. Among the codes that they
// may get, this one ends them at once in the Java client, librdkafka, franz-go
// and sarama, with the text beside it where the client shows one. INVALID_REQUEST
// and COORDINATOR_NOT_AVAILABLE would have librdkafka ask again until its own
// timeout, and say only that it timed out.
var errNoTransactions = refusedTransaction{}

type refusedTransaction struct{}

func (refusedTransaction) Error() string { return "transactions are not supported by this broker" }
func (refusedTransaction) Unwrap() error { return kerr.TransactionalIDAuthorizationFailed }

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
// group's partition of the offsets topic, at the address that the client's
// listener has for it.
func (s *Server) coordinatorFor(x *transport.Exchange, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key = key
	err := coordinated(kind)
	if err == nil {
		out.NodeID, out.Host, out.Port, err = s.groupCoordinator(x, key)
	}
	if err != nil {
		out.ErrorCode, out.ErrorMessage = codeOf(err), textOf(err)
		out.NodeID, out.Port = int32(protocol.NoBroker), -1
	}
	return out
}

// groupCoordinator makes the offsets topic if there is none yet.
func (s *Server) groupCoordinator(x *transport.Exchange, id string) (node int32, host string, port int32, err error) {
	if _, err := s.groups.offsetsPartitions(x); err != nil {
		return 0, "", 0, err
	}
	v := s.view(x)
	t, ok := v.Topic(offsetsTopic)
	if !ok {
		return 0, "", 0, kerr.CoordinatorNotAvailable
	}
	leader, live := v.Broker(t.Partitions[group.PartitionOf(id, int32(len(t.Partitions)))].Leader)
	if !live {
		return 0, "", 0, kerr.CoordinatorNotAvailable
	}
	e, ok := v.endpoint(&leader)
	if !ok {
		return 0, "", 0, kerr.CoordinatorNotAvailable
	}
	return int32(leader.ID), e.Host, e.Port, nil
}

// coordinated says why there is no coordinator of a kind, or nil.
func coordinated(kind int8) error {
	switch kind {
	case coordinatorOfGroup:
		return nil
	case coordinatorOfTransaction:
		return errNoTransactions
	default:
		return fmt.Errorf("%w: there are no coordinators of type %d", refusal.ErrInvalidRequest, kind)
	}
}
