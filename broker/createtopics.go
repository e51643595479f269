package broker

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

// createTopics answers when the created topics can be produced to.
func (s *Server) createTopics(x *transport.Exchange, req *kmsg.CreateTopicsRequest) kmsg.Response {
	resp := respond[*kmsg.CreateTopicsResponse](req)
	ctx, cancel := within(x, req.TimeoutMillis)
	defer cancel()
	named := tallyOf(req.Topics, func(t *kmsg.CreateTopicsRequestTopic) string { return t.Topic })
	for i := range req.Topics {
		rt := &req.Topics[i]
		switch named.take(rt.Topic) {
		case 0:
		case 1:
			resp.Topics = append(resp.Topics, s.createTopic(ctx, rt, req.ValidateOnly))
		default:
			resp.Topics = append(resp.Topics, notCreated(rt.Topic, errTwice("topic", rt.Topic)))
		}
	}
	if err := s.settleChange(ctx, req.ValidateOnly); err != nil {
		for i := range resp.Topics {
			if resp.Topics[i].ErrorCode == 0 {
				resp.Topics[i] = notCreated(resp.Topics[i].Topic, err)
			}
		}
	}
	return resp
}

// settleChange waits until this broker's partitions are as the metadata that
// was just changed says.
func (s *Server) settleChange(ctx context.Context, validateOnly bool) error {
	if validateOnly {
		return nil
	}
	if err := s.hosted.Settle(ctx); err != nil {
		return fmt.Errorf("the change is made, and not all partitions follow it yet: %w", err)
	}
	return nil
}

// errTwice refuses what a request names more than once.
func errTwice(kind, name string) error {
	return fmt.Errorf("%w: %s %q is named twice", refusal.ErrInvalidRequest, kind, name)
}

func (s *Server) createTopic(ctx context.Context, rt *kmsg.CreateTopicsRequestTopic, validateOnly bool) kmsg.CreateTopicsResponseTopic {
	nt, err := newTopic(rt)
	if err != nil {
		return notCreated(rt.Topic, err)
	}
	made, err := s.makeTopic(ctx, nt, validateOnly)
	if err != nil {
		return notCreated(rt.Topic, err)
	}
	out := kmsg.NewCreateTopicsResponseTopic()
	out.Topic, out.TopicID = made.Name, made.ID
	out.NumPartitions, out.ReplicationFactor = int32(len(made.Partitions)), int16(len(made.Partitions[0].Replicas))
	out.Configs = s.createdConfigs(made)
	return out
}

// makeTopic creates a topic that a user wants, with the settings that follow from
// what was asked for.
func (s *Server) makeTopic(ctx context.Context, t plan.NewTopic, validateOnly bool) (*image.Topic, error) {
	layers := s.settingLayers()
	t.Configs = settings.CarryTopicsOf(layers...).Created(t.Name, t.Configs, layers...)
	return s.cluster.CreateTopic(ctx, t, validateOnly)
}

// notCreated has empty configs, not null: null would say that the client may not see them.
func notCreated(name string, err error) kmsg.CreateTopicsResponseTopic {
	out := kmsg.NewCreateTopicsResponseTopic()
	out.Topic, out.ErrorCode, out.ErrorMessage = name, codeOf(err), textOf(err)
	out.Configs = []kmsg.CreateTopicsResponseTopicConfig{}
	return out
}

// newTopic is what a request asks for, in the coordinator's terms.
func newTopic(rt *kmsg.CreateTopicsRequestTopic) (plan.NewTopic, error) {
	t := plan.NewTopic{Name: rt.Topic, Partitions: rt.NumPartitions, ReplicationFactor: rt.ReplicationFactor}
	if len(rt.ReplicaAssignment) > 0 {
		t.Assignment = make(map[int32][]protocol.BrokerID, len(rt.ReplicaAssignment))
	}
	for _, a := range rt.ReplicaAssignment {
		if _, twice := t.Assignment[a.Partition]; twice {
			return t, fmt.Errorf("%w: partition %d is assigned twice", refusal.ErrInvalidReplicaAssignment, a.Partition)
		}
		t.Assignment[a.Partition] = asBrokerIDs(a.Replicas)
	}
	if len(rt.Configs) > 0 {
		t.Configs = make(map[string]string, len(rt.Configs))
	}
	for _, c := range rt.Configs {
		if c.Value == nil {
			return t, fmt.Errorf("%w: %s has no value", refusal.ErrInvalidConfig, c.Name)
		}
		t.Configs[c.Name] = *c.Value
	}
	return t, nil
}

func asBrokerIDs(ids []int32) []protocol.BrokerID {
	out := make([]protocol.BrokerID, len(ids))
	for i, id := range ids {
		out[i] = protocol.BrokerID(id)
	}
	return out
}

// createdConfigs are the settings that a new topic has (KIP-525).
func (s *Server) createdConfigs(t *image.Topic) []kmsg.CreateTopicsResponseTopicConfig {
	values := s.topicValues(t)
	out := make([]kmsg.CreateTopicsResponseTopicConfig, len(values))
	for i := range values {
		v := &values[i]
		out[i] = kmsg.CreateTopicsResponseTopicConfig{
			Name: v.Definition.Name, Value: &v.Value, ReadOnly: v.Definition.ReadOnly, Source: int8(v.Source),
		}
	}
	return out
}
