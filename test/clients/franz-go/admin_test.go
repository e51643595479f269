package franzgo

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/lockstep-log/lockstep/test/clients/feature"
)

func (s *session) admin() {
	const topic = "franz-go-made"
	adm := kadm.NewClient(s.client())
	feature.Check(s.t, "create", func() (string, error) {
		resp, err := adm.CreateTopic(s.ctx, 3, 1, map[string]*string{"retention.ms": kadm.StringPtr("3600000")}, topic)
		return "", errors.Join(err, resp.Err)
	})
	feature.Check(s.t, "list", func() (string, error) {
		topics, err := adm.ListTopics(s.ctx)
		if err != nil || !topics.Has(topic) || len(topics[topic].Partitions) != 3 {
			return "", fmt.Errorf("%v: %v", topics, err)
		}
		return "", nil
	})
	feature.Check(s.t, "delete", func() (string, error) {
		resp, err := adm.DeleteTopic(s.ctx, topic)
		if err := errors.Join(err, resp.Err); err != nil {
			return "", err
		}
		return "", feature.Eventually(s.ctx, func() error {
			topics, err := kadm.NewClient(s.client()).ListTopics(s.ctx) // adm keeps its metadata for seconds
			if err == nil && topics.Has(topic) {
				err = errors.New("the topic is still listed")
			}
			return err
		})
	})
}
