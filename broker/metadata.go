package broker

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// The versions of Metadata at which something begins.
const (
	metadataNullIsAll    = 1  // before it, an empty list asks for all topics
	metadataAutoCreate   = 4  // the request says whether it may create topics; before it, it may
	metadataListenerCode = 6  // LISTENER_NOT_FOUND; before it, LEADER_NOT_AVAILABLE
	metadataByID         = 12 // KIP-516; 10 and 11 carry ids that must not be asked by
)

func (s *Server) metadata(x *transport.Exchange, req *kmsg.MetadataRequest) kmsg.Response {
	resp := respond[*kmsg.MetadataResponse](req)
	var failed map[string]error
	misasked := metadataMisasked(req)
	if !misasked {
		failed = s.autoCreate(x, req)
	}
	v := s.view(x)
	for _, n := range v.nodes() {
		resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: n.id, Host: n.host, Port: n.port, Rack: n.rack})
	}
	resp.ControllerID, resp.ClusterID = int32(v.Controller), kmsg.StringPtr(v.ClusterID)
	resp.AuthorizedOperations = whenAsked(req.IncludeClusterAuthorizedOperations, clusterOperations)
	if metadataOfAll(req) && !emptied(x) {
		for _, t := range v.Topics() {
			resp.Topics = append(resp.Topics, v.metadataTopic(req, t))
		}
		return resp
	}
	for _, w := range wantedTopics(req) {
		resp.Topics = append(resp.Topics, v.metadataAnswer(req, w, misasked, failed[w.name]))
	}
	return resp
}

// metadataOfAll reports whether all topics are asked for.
func metadataOfAll(req *kmsg.MetadataRequest) bool {
	return req.Topics == nil || req.Version < metadataNullIsAll && len(req.Topics) == 0
}

// metadataMisasked reports whether a topic is asked for by id, or by no name,
// in a version without that.
func metadataMisasked(req *kmsg.MetadataRequest) bool {
	if req.Version >= metadataByID {
		return false
	}
	for i := range req.Topics {
		if t := &req.Topics[i]; t.Topic == nil || t.TopicID != [16]byte{} {
			return true
		}
	}
	return false
}

// wantedTopic is a topic that is asked for: by its id, unless that is zero.
type wantedTopic struct {
	id   protocol.TopicID
	name string
}

// wantedTopics are the topics asked for, each once.
func wantedTopics(req *kmsg.MetadataRequest) []wantedTopic {
	wanted := make([]wantedTopic, 0, len(req.Topics))
	seen := make(map[wantedTopic]struct{}, len(req.Topics))
	for i := range req.Topics {
		w := wantedTopic{id: req.Topics[i].TopicID}
		if w.id.IsZero() && req.Topics[i].Topic != nil {
			w.name = *req.Topics[i].Topic
		}
		if _, ok := seen[w]; !ok {
			seen[w] = struct{}{}
			wanted = append(wanted, w)
		}
	}
	return wanted
}

// metadataAnswer answers for one topic that is asked for; failed is why it
// could not be created.
func (v view) metadataAnswer(req *kmsg.MetadataRequest, w wantedTopic, misasked bool, failed error) kmsg.MetadataResponseTopic {
	if !misasked {
		if t, ok := v.wanted(w); ok {
			return v.metadataTopic(req, t)
		}
	}
	out := kmsg.NewMetadataResponseTopic()
	out.TopicID = w.id
	if w.id.IsZero() {
		out.Topic = kmsg.StringPtr(w.name)
	}
	switch {
	case misasked:
		out.ErrorCode = kerr.InvalidRequest.Code
	case !w.id.IsZero():
		out.ErrorCode = kerr.UnknownTopicID.Code
	case failed != nil:
		out.ErrorCode = codeOf(failed)
	default:
		out.ErrorCode = codeOf(unknownName(w.name))
	}
	return out
}

// wanted finds a topic by its id, or by its name.
func (v view) wanted(w wantedTopic) (*image.Topic, bool) {
	if !w.id.IsZero() {
		return v.TopicByID(w.id)
	}
	return v.Topic(w.name)
}

// unknownName is why a name that no topic has is refused: a name that no topic
// can have is refused for good.
func unknownName(name string) error {
	if err := coordinator.CheckTopicName(name); err != nil {
		return err
	}
	return refusal.ErrUnknownTopic
}

func (v view) metadataTopic(req *kmsg.MetadataRequest, t *image.Topic) kmsg.MetadataResponseTopic {
	out := kmsg.NewMetadataResponseTopic()
	out.Topic, out.TopicID, out.IsInternal = kmsg.StringPtr(t.Name), t.ID, t.Internal
	out.AuthorizedOperations = whenAsked(req.IncludeTopicAuthorizedOperations, topicOperations)
	out.Partitions = make([]kmsg.MetadataResponseTopicPartition, len(t.Partitions))
	for i := range t.Partitions {
		at := v.place(t, &t.Partitions[i])
		if at.code == kerr.ListenerNotFound.Code && req.Version < metadataListenerCode {
			at.code = kerr.LeaderNotAvailable.Code
		}
		out.Partitions[i] = kmsg.MetadataResponseTopicPartition{
			ErrorCode: at.code, Partition: t.Partitions[i].Index, Leader: at.leader, LeaderEpoch: at.epoch,
			Replicas: at.replicas, ISR: at.isr, OfflineReplicas: at.offline,
		}
	}
	return out
}
