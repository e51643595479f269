package broker

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// view is one image of the cluster as the clients of one listener may see it.
// Clients that came in on a listener are told that listener's addresses only:
// those of another may not be reachable for them.
type view struct {
	*image.Image
	listener string
	hosted   *partitions.Host
}

// view returns the newest image, for the client of x.
func (s *Server) view(x *transport.Exchange) view {
	return view{s.cluster.Image(), x.Conn.Listener().Name, s.hosted}
}

// node is a live broker and where to reach it.
type node struct {
	id   int32
	host string
	port int32
	rack *string // nil: none; an empty one would be a rack of its own to some clients
}

// nodes are the live brokers that the listener's clients can reach.
func (v view) nodes() []node {
	var nodes []node
	for _, b := range v.Brokers() {
		if n, ok := v.node(&b); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// node is a broker as the listener's clients reach it.
func (v view) node(b *image.Broker) (node, bool) {
	e, ok := v.endpoint(b)
	if !ok {
		return node{}, false
	}
	n := node{id: int32(b.ID), host: e.Host, port: e.Port}
	if b.Rack != "" {
		n.rack = kmsg.StringPtr(b.Rack)
	}
	return n, true
}

// endpoint is a broker's address on the listener.
func (v view) endpoint(b *image.Broker) (image.Endpoint, bool) {
	i := slices.IndexFunc(b.Endpoints, func(e image.Endpoint) bool { return e.Name == v.listener })
	if i < 0 {
		return image.Endpoint{}, false
	}
	return b.Endpoints[i], true
}

// placement is where a partition is. No slice of it is nil: Kafka's own admin
// client does not bear a null where it knows an array.
type placement struct {
	code     int16
	leader   int32
	epoch    int32
	replicas []int32
	isr      []int32
	offline  []int32
}

// place tells where a partition is. A leader that the client cannot reach is
// none to it, and neither is this broker where it has reason to think that
// another one leads by now.
func (v view) place(t *image.Topic, p *image.Partition) placement {
	out := placement{
		leader:   int32(p.Leader),
		epoch:    int32(p.LeaderEpoch),
		replicas: brokerIDs(p.Replicas),
		isr:      brokerIDs(p.ISR.IDs()),
		offline:  v.offline(p.Replicas),
	}
	leader, live := v.Broker(p.Leader)
	if !live || v.steppedAside(t.ID, p.Index) {
		out.leader, out.code = int32(protocol.NoBroker), kerr.LeaderNotAvailable.Code
	} else if _, ok := v.endpoint(&leader); !ok {
		out.leader, out.code = int32(protocol.NoBroker), kerr.ListenerNotFound.Code
	}
	return out
}

// steppedAside reports whether the partition is led here as far as is known, see
// replica.Partition.StepAside.
func (v view) steppedAside(id protocol.TopicID, index int32) bool {
	p := v.hosted.TopicByID(id).Partition(index)
	return p.IsOpen() && p.State().SteppedAside
}

// offline are those of the replicas whose broker is not live.
func (v view) offline(replicas []protocol.BrokerID) []int32 {
	down := []int32{}
	for _, id := range replicas {
		if _, live := v.Broker(id); !live {
			down = append(down, int32(id))
		}
	}
	return down
}

func brokerIDs(ids []protocol.BrokerID) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}
