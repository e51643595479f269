package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// deleteTopicsByID is the version of DeleteTopics from which on topics can be
// named by id (KIP-516).
const deleteTopicsByID = 6

// deleteTopics answers when the topics are gone, their data included.
func (s *Server) deleteTopics(x *transport.Exchange, req *kmsg.DeleteTopicsRequest) kmsg.Response {
	resp := respond[*kmsg.DeleteTopicsResponse](req)
	ctx, cancel := within(x, req.TimeoutMillis)
	defer cancel()
	asked := topicsToDelete(req)
	named := tallyOf(asked, func(t *topicToDelete) topicToDelete { return *t })
	for _, t := range asked {
		switch named.take(t) {
		case 0:
		case 1:
			resp.Topics = append(resp.Topics, s.deleteTopic(ctx, t))
		default:
			resp.Topics = append(resp.Topics, t.answer(errTwice("topic", t.String())))
		}
	}
	if err := s.settleChange(ctx, false); err != nil {
		for i := range resp.Topics {
			if t := &resp.Topics[i]; t.ErrorCode == 0 {
				t.ErrorCode, t.ErrorMessage = codeOf(err), textOf(err)
			}
		}
	}
	return resp
}

// topicToDelete names a topic: by its name or by its id.
type topicToDelete struct {
	name   string
	byName bool
	id     protocol.TopicID
}

func (t topicToDelete) String() string {
	if t.byName {
		return t.name
	}
	return t.id.String()
}

func topicsToDelete(req *kmsg.DeleteTopicsRequest) []topicToDelete {
	var asked []topicToDelete
	if req.Version < deleteTopicsByID {
		for _, name := range req.TopicNames {
			asked = append(asked, topicToDelete{name: name, byName: true})
		}
		return asked
	}
	for _, rt := range req.Topics {
		t := topicToDelete{id: rt.TopicID}
		if rt.Topic != nil {
			t.name, t.byName = *rt.Topic, true
		}
		asked = append(asked, t)
	}
	return asked
}

// answer is the answer for t; err may be nil.
func (t topicToDelete) answer(err error) kmsg.DeleteTopicsResponseTopic {
	out := kmsg.NewDeleteTopicsResponseTopic()
	out.TopicID, out.ErrorCode, out.ErrorMessage = t.id, codeOf(err), textOf(err)
	if t.byName {
		out.Topic = kmsg.StringPtr(t.name)
	}
	return out
}

func (s *Server) deleteTopic(ctx context.Context, t topicToDelete) kmsg.DeleteTopicsResponseTopic {
	if s.cfg.TopicsStay {
		return t.answer(kerr.TopicDeletionDisabled)
	}
	if t.byName == !t.id.IsZero() {
		return t.answer(fmt.Errorf("%w: a topic is deleted by its name or by its id, one of them", refusal.ErrInvalidRequest))
	}
	found, known := t.find(s.cluster.Image())
	if !known && t.byName {
		// The image may lag; the store knows.
		return t.answer(s.cluster.DeleteTopic(ctx, t.name))
	}
	if !known {
		return t.answer(fmt.Errorf("%w: id %s", kerr.UnknownTopicID, t.id))
	}
	// By its id, so that no other topic goes if this one is deleted and created again just now.
	err := s.cluster.DeleteTopicByID(ctx, found.ID)
	if errors.Is(err, refusal.ErrUnknownTopic) && !t.byName {
		err = fmt.Errorf("%w: id %s", kerr.UnknownTopicID, t.id)
	}
	if err == nil {
		t = topicToDelete{name: found.Name, byName: true, id: found.ID}
		s.log.Info("topic deleted", "topic", t.name, "id", t.id)
	}
	return t.answer(err)
}

func (t topicToDelete) find(im *image.Image) (*image.Topic, bool) {
	if t.byName {
		return im.Topic(t.name)
	}
	return im.TopicByID(t.id)
}
