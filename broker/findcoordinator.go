package broker

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/coordinator"
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

var _ = serves(protocol.KeyFindCoordinator, (*Server).findCoordinator)

func (s *Server) findCoordinator(x *exchange, req *kmsg.FindCoordinatorRequest) kmsg.Response {
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

// coordinatorFor finds the broker that a key belongs to: this one, for it is alone.
func (s *Server) coordinatorFor(x *exchange, kind int8, key string) kmsg.FindCoordinatorResponseCoordinator {
	out := kmsg.NewFindCoordinatorResponseCoordinator()
	out.Key = key
	if err := coordinated(kind); err != nil {
		out.ErrorCode, out.ErrorMessage = codeOf(err), textOf(err)
		out.NodeID, out.Port = int32(protocol.NoBroker), -1
		return out
	}
	out.NodeID, out.Host, out.Port = int32(s.cfg.NodeID), x.c.listener.host, x.c.listener.port
	return out
}

// coordinated says why there is no coordinator of a kind, or nil.
func coordinated(kind int8) error {
	switch kind {
	case coordinatorOfGroup:
		return nil
	case coordinatorOfTransaction:
		return errNoTransactions
	default:
		return fmt.Errorf("%w: there are no coordinators of type %d", coordinator.ErrInvalidRequest, kind)
	}
}
