package broker

import (
	"errors"
	"iter"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// The types of election that ElectLeaders knows (KIP-460).
const (
	electPreferred int8 = 0
	electUnclean   int8 = 1
)

// electLeaders holds elections now. An unclean one is held as any other: it
// finds a leader where one is in sync and missing, and chooses nobody else, for
// records that were acknowledged would be lost with it.
func (s *Server) electLeaders(x *transport.Exchange, req *kmsg.ElectLeadersRequest) kmsg.Response {
	resp := respond[*kmsg.ElectLeadersResponse](req)
	if req.ElectionType != electPreferred && req.ElectionType != electUnclean {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	ctx, cancel := within(x, req.TimeoutMillis)
	defer cancel()
	im := s.cluster.Image()
	out := electedTopics{resp: resp, at: map[string]int{}}
	preferred := req.ElectionType == electPreferred
	if req.Topics == nil {
		for id, err := range s.cluster.ElectLeaders(ctx, nil, preferred) {
			if t, ok := im.TopicByID(id.Topic); ok {
				out.add(t.Name, id.Index, err)
			}
		}
		return resp
	}
	ids, named := []protocol.TopicPartition{}, []namedPartition{}
	for place := range eachNamed(req) {
		if id, err := findPartition(im, place.topic, place.index); err != nil {
			out.add(place.topic, place.index, place.unknown(err))
		} else {
			ids, named = append(ids, id), append(named, place)
		}
	}
	outcome := s.cluster.ElectLeaders(ctx, ids, preferred)
	for i, place := range named {
		out.add(place.topic, place.index, outcome[ids[i]])
	}
	return resp
}

// unknown is why there is no such partition, in the words of Kafka's controller.
func (p namedPartition) unknown(err error) error {
	if errors.Is(err, refusal.ErrUnknownTopic) {
		return refusal.New(err, "No such topic as %s", p.topic)
	}
	return refusal.New(err, "No such partition as %s-%d", p.topic, p.index)
}

// eachNamed goes over the partitions that a request names, each once.
func eachNamed(req *kmsg.ElectLeadersRequest) iter.Seq[namedPartition] {
	return func(yield func(namedPartition) bool) {
		seen := map[namedPartition]struct{}{}
		for i := range req.Topics {
			rt := &req.Topics[i]
			for _, index := range rt.Partitions {
				place := namedPartition{rt.Topic, index}
				if _, again := seen[place]; again {
					continue
				}
				seen[place] = struct{}{}
				if !yield(place) {
					return
				}
			}
		}
	}
}

// electedTopics gathers the outcomes of elections by topic.
type electedTopics struct {
	resp *kmsg.ElectLeadersResponse
	at   map[string]int
}

func (e *electedTopics) add(topic string, index int32, err error) {
	at, ok := e.at[topic]
	if !ok {
		at = len(e.resp.Topics)
		e.at[topic] = at
		t := kmsg.NewElectLeadersResponseTopic()
		t.Topic = topic
		e.resp.Topics = append(e.resp.Topics, t)
	}
	p := kmsg.NewElectLeadersResponseTopicPartition()
	p.Partition, p.ErrorCode, p.ErrorMessage = index, codeOf(err), textOf(err)
	e.resp.Topics[at].Partitions = append(e.resp.Topics[at].Partitions, p)
}
