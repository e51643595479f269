package sarama

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

func (s *session) admin() {
	const topic = "sarama-made"
	adm, err := sarama.NewClusterAdmin(s.broker, config())
	if err != nil {
		s.t.Error(err)
		return
	}
	defer adm.Close()
	feature.Check(s.t, "create", func() (string, error) {
		return "", adm.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1}, false)
	})
	feature.Check(s.t, "list", func() (string, error) {
		topics, err := adm.ListTopics()
		if err == nil && topics[topic].NumPartitions != 3 {
			err = fmt.Errorf("%+v", topics[topic])
		}
		return "", err
	})
	feature.Check(s.t, "delete", func() (string, error) {
		if err := adm.DeleteTopic(topic); err != nil {
			return "", err
		}
		return "", feature.Eventually(s.ctx, func() error {
			topics, err := adm.ListTopics()
			if _, there := topics[topic]; there {
				err = errors.New("the topic is still listed")
			}
			return err
		})
	})
}
