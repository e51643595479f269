package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

// checkGrowth refuses more partitions for a topic that holds locks. A lock
// belongs to its partition: once a writer's key goes to another one, the lock
// was never written there, and what conflicts is admitted. Only those who know
// how writers choose partitions can say that it is right, by force or by the
// topic's setting.
func (s *Server) checkGrowth(ctx context.Context, rt *kmsg.CreatePartitionsRequestTopic) error {
	growth := growthOf(rt)
	t, ok := s.cluster.Image().Topic(rt.Topic)
	if !ok || growth == protocol.GrowthForced {
		return nil
	}
	layers := s.settingLayers()
	set, err := settings.CarryTopicsOf(layers...).Parse(t.Name, t.Configs, layers...)
	switch {
	case err != nil || set.AddPartitions == settings.AddAllowed:
		return nil
	case set.ConflictPolicy == settings.ConflictCarry:
		return nil // copies keep the partitions of what was copied, and nothing is judged
	case set.ConflictPolicy == settings.ConflictRequired:
		return errGrowth(t.Name, "has conflict.policy=required")
	}
	elsewhere, err := s.unlockedHere(t)
	if err != nil || growth == protocol.GrowthAsked {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(elsewhere)) {
		if err := s.askGrowth(ctx, rt, id); err != nil {
			return err
		}
	}
	return nil
}

func growthOf(rt *kmsg.CreatePartitionsRequestTopic) (growth protocol.Growth) {
	rt.UnknownTags.Each(func(tag uint32, value []byte) {
		if tag == protocol.TagGrowth {
			growth = protocol.GrowthOf(value)
		}
	})
	return growth
}

func errGrowth(topic, why string) error {
	return refusal.New(kerr.PolicyViolation, "Topic '%s' %s. A lock belongs to its partition: with more partitions, writers that choose theirs by key "+
		"would find others, where none of their locks was ever written, and what conflicts would be admitted. If that cannot be here, "+
		"add them by force (lockstep topic add-partitions --force), or set conflict.add.partitions=allow on the topic",
		topic, why)
}

// unlockedHere refuses a topic that holds locks in a partition that this broker
// has, and says which brokers have the others.
func (s *Server) unlockedHere(t *image.Topic) (elsewhere map[protocol.BrokerID]struct{}, err error) {
	here := s.hosted.TopicByID(t.ID)
	elsewhere = make(map[protocol.BrokerID]struct{})
	for i := range t.Partitions {
		p := here.Partition(int32(i))
		if !p.IsOpen() {
			elsewhere[t.Partitions[i].Leader] = struct{}{}
			continue
		}
		switch locked, ok := p.HoldsLocks(); {
		case !ok:
			elsewhere[t.Partitions[i].Leader] = struct{}{}
		case locked:
			return nil, errGrowth(t.Name, fmt.Sprintf("holds locks, in partition %d at least", i))
		}
	}
	delete(elsewhere, s.cfg.NodeID)
	return elsewhere, nil
}

// askGrowth has another broker look at its partitions.
func (s *Server) askGrowth(ctx context.Context, rt *kmsg.CreatePartitionsRequestTopic, id protocol.BrokerID) error {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Version, req.ValidateOnly, req.TimeoutMillis = growthVersion, true, int32(replication.AskTimeout.Milliseconds())
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = rt.Topic, rt.Count
	topic.UnknownTags.Set(protocol.TagGrowth, []byte{byte(protocol.GrowthAsked)})
	req.Topics = append(req.Topics, topic)
	resp, err := s.peers.Ask(ctx, id, req)
	if err != nil {
		return fmt.Errorf("%w: whether '%s' holds locks cannot be told: broker %d leads some of its partitions, and does not answer: %w",
			kerr.LeaderNotAvailable, rt.Topic, id, err)
	}
	got := resp.(*kmsg.CreatePartitionsResponse)
	if len(got.Topics) == 1 && got.Topics[0].ErrorCode == kerr.PolicyViolation.Code {
		return refusal.New(kerr.PolicyViolation, "%s", orEmpty(got.Topics[0].ErrorMessage))
	}
	return nil // of all else this broker judges by itself
}

const growthVersion = 3
