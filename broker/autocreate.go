package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
)

// autoCreatesMax bounds the topics that one Metadata request creates. Those
// over it are answered as not ready yet, and created when the client asks again.
const autoCreatesMax = 100

// autoCreate creates the topics that a Metadata request names and nobody has
// created, if the broker and the request allow it. It returns when they can be
// produced to, and says which it could not create. Kafka creates them behind
// the answer and lets the client ask again; here the first answer is good.
func (s *Server) autoCreate(x *transport.Exchange, req *kmsg.MetadataRequest) map[string]error {
	allowed := req.AllowAutoTopicCreation || req.Version < metadataAutoCreate
	if !allowed || !s.cfg.AutoCreateTopics {
		return nil
	}
	names := s.missing(req)
	if len(names) == 0 {
		return nil
	}
	ctx, cancel := withinDefault(x)
	defer cancel()
	failed := make(map[string]error)
	for i, name := range names {
		var err error = kerr.LeaderNotAvailable
		if i < autoCreatesMax {
			err = s.autoCreateTopic(ctx, name)
		}
		if err != nil {
			failed[name] = err
		}
	}
	if err := s.hosted.Settle(ctx); err != nil {
		s.log.Warn("created topics are not open yet", "error", err)
	}
	return failed
}

// missing are the names asked for that no topic has and one can have.
func (s *Server) missing(req *kmsg.MetadataRequest) []string {
	im := s.cluster.Image()
	var names []string
	for _, w := range wantedTopics(req) {
		if _, known := im.Topic(w.name); !known && w.id.IsZero() && coordinator.CheckTopicName(w.name) == nil {
			names = append(names, w.name)
		}
	}
	return names
}

func (s *Server) autoCreateTopic(ctx context.Context, name string) error {
	_, err := s.makeTopic(ctx, plan.NewTopic{Name: name, Partitions: -1, ReplicationFactor: -1}, false)
	if errors.Is(err, refusal.ErrTopicExists) {
		return nil // another request was faster
	}
	if err == nil {
		s.log.Info("topic created because a client asked for it", "topic", name)
	}
	return err
}
