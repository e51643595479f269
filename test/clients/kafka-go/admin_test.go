package kafkago

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

func (s *session) admin() {
	const topic = "kafka-go-made"
	cl := &kafka.Client{Addr: kafka.TCP(s.broker)}
	feature.Check(s.t, "create", func() (string, error) {
		resp, err := cl.CreateTopics(s.ctx, &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: 3, ReplicationFactor: 1}}})
		if err != nil {
			return "", err
		}
		return "", resp.Errors[topic]
	})
	partitions := func() (int, error) {
		resp, err := cl.Metadata(s.ctx, &kafka.MetadataRequest{})
		if err != nil {
			return 0, err
		}
		for _, known := range resp.Topics {
			if known.Name == topic {
				return len(known.Partitions), nil
			}
		}
		return 0, nil
	}
	feature.Check(s.t, "list", func() (string, error) {
		n, err := partitions()
		if err == nil && n != 3 {
			err = fmt.Errorf("%d partitions, want 3", n)
		}
		return "", err
	})
	feature.Check(s.t, "delete", func() (string, error) {
		resp, err := cl.DeleteTopics(s.ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		if err != nil || resp.Errors[topic] != nil {
			return "", errors.Join(err, resp.Errors[topic])
		}
		return "", feature.Eventually(s.ctx, func() error {
			n, err := partitions()
			if err == nil && n > 0 {
				err = errors.New("the topic is still listed")
			}
			return err
		})
	})
}
