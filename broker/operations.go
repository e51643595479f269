package broker

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// operationsNotAsked stands in an answer whose request did not ask what its
// client may do (KIP-430).
const operationsNotAsked = math.MinInt32

// What can be done to a resource, and without an authorizer a client may: a set bit is the
// operation of that number.
var (
	topicOperations = operations(
		kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationCreate, kmsg.ACLOperationDelete,
		kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs,
	)
	clusterOperations = operations(
		kmsg.ACLOperationCreate, kmsg.ACLOperationAlter, kmsg.ACLOperationDescribe, kmsg.ACLOperationClusterAction,
		kmsg.ACLOperationDescribeConfigs, kmsg.ACLOperationAlterConfigs, kmsg.ACLOperationIdempotentWrite,
	)
)

func operations(ops ...kmsg.ACLOperation) (bits int32) {
	for _, op := range ops {
		bits |= 1 << op
	}
	return bits
}

// whenAsked is the operations, if the client asked for them.
func whenAsked(asked bool, operations int32) int32 {
	if asked {
		return operations
	}
	return operationsNotAsked
}
