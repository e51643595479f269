package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/acl"
	"github.com/lockstep-log/lockstep/protocol"
)

// api is one row of the table of APIs: all that the pipeline must know of one.
// Names and versions, as advertised and as served, are protocol.Lookup's.
type api struct {
	key    int16
	limits transport.Limits
	call   call
	// refused answers a version that is not served. nil: there is no answer that
	// the client could read, and the connection is closed, as Kafka does.
	refused func(*Server, *transport.Exchange) error

	needs      []need // what the principal must be allowed, in the order of asking; nothing: anyone may ask
	audience   audience
	quota      quotaClass
	strictFrom int16 // of quotaMutation: below it, what is beyond the quota is delayed, not refused (KIP-599)
}

// call is how a request is decoded and handled.
type call struct {
	newRequest func() kmsg.Request
	handle     func(*Server, *transport.Exchange, kmsg.Request) error
}

// answers is the call of a handler that returns the answer, or nil if it has the
// exchange finished later.
func answers[Q kmsg.Request](newRequest func() Q, handle func(*Server, *transport.Exchange, Q) kmsg.Response) call {
	return finishes(newRequest, func(s *Server, x *transport.Exchange, req Q) error {
		if resp := handle(s, x, req); resp != nil {
			sendResponse(x, resp)
		}
		return nil
	})
}

// finishes is the call of a handler that finishes the exchange, now or later. Its
// error closes the connection.
func finishes[Q kmsg.Request](newRequest func() Q, handle func(*Server, *transport.Exchange, Q) error) call {
	return call{
		newRequest: func() kmsg.Request { return newRequest() },
		handle:     func(s *Server, x *transport.Exchange, req kmsg.Request) error { return handle(s, x, req.(Q)) },
	}
}

// need is an operation on a resource that the principal of a request must be
// allowed, in the words of Kafka's ACLs.
type need struct {
	operation kmsg.ACLOperation
	resource  kmsg.ACLResourceType
	scope     scope
	when      condition
}

// nothing is what an API needs that anyone may ask.
var nothing = []need{}

const (
	aclRead            = kmsg.ACLOperationRead
	aclWrite           = kmsg.ACLOperationWrite
	aclCreate          = kmsg.ACLOperationCreate
	aclDelete          = kmsg.ACLOperationDelete
	aclAlter           = kmsg.ACLOperationAlter
	aclDescribe        = kmsg.ACLOperationDescribe
	aclClusterAction   = kmsg.ACLOperationClusterAction
	aclDescribeConfigs = kmsg.ACLOperationDescribeConfigs
	aclAlterConfigs    = kmsg.ACLOperationAlterConfigs
	aclIdempotentWrite = kmsg.ACLOperationIdempotentWrite

	onTopic           = kmsg.ACLResourceTypeTopic
	onGroup           = kmsg.ACLResourceTypeGroup
	onCluster         = kmsg.ACLResourceTypeCluster
	onTransactionalID = kmsg.ACLResourceTypeTransactionalId
	onLock            = kmsg.ACLResourceType(acl.TypeLock) // ours: no tool of Kafka's knows it
)

// scope is what becomes of a request where a need is not met.
type scope int8

const (
	scopeRequest scope = iota // the request is refused
	scopeNamed                // what it names and may not have is refused, the rest goes on
	scopeListed               // what it may not see is left out of the answer, without a word
	scopeInstead              // the next need is asked; where this one is met it is not
	scopeAny                  // one resource of the type, whichever, is enough; else the request is refused
)

// condition is when a need is one.
type condition int8

const (
	always          condition = iota
	ifTransactional           // the request has a transactional id
	ifIdempotent              // it has none
	ifFollower                // a broker follows this one
	ifConsumer                // no broker does
	ifCreating                // it creates what is not there
	ifBrokers                 // it names brokers
	ifControllers             // it asks for controllers instead of brokers
	ifBroker                  // it is of a version that brokers send each other
	ifClient                  // it is of another
)

// audience is who an API is for.
type audience uint8

const (
	clients audience = 1 << iota
	brokers          // of this cluster
)

// quotaClass is the quota that a request counts against. All that clients send
// counts against the quota of requests as well; a follower's Fetch counts
// against none.
type quotaClass int8

const (
	_             quotaClass = iota
	quotaRequest             // time of the broker's threads: request_percentage
	quotaProduce             // bytes in: producer_byte_rate
	quotaFetch               // bytes out: consumer_byte_rate
	quotaMutation            // partitions made and deleted: controller_mutation_rate
)

// apiByKey are the rows by key; nil where there is none.
var apiByKey = func() []*api {
	byKey := make([]*api, apis[len(apis)-1].key+1)
	for i := range apis {
		byKey[apis[i].key] = &apis[i]
	}
	return byKey
}()

// name is Kafka's own.
func (a *api) name() string {
	row, _ := protocol.Lookup(a.key)
	return row.Name
}

// lookup finds the row of a key; nil: it is not served.
func lookup(key int16) *api {
	if key < 0 || int(key) >= len(apiByKey) {
		return nil
	}
	return apiByKey[key]
}

// transportLimits are how the requests of all APIs are read.
func transportLimits() []transport.Limits {
	byKey := map[int16]transport.Limits{}
	for i := range apis {
		byKey[apis[i].key] = apis[i].limits
	}
	return transport.LimitsOf(byKey)
}
