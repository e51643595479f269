package coordination

import (
	"context"
	"errors"
	"log/slog"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// Topic is an internal topic whose partitions are coordinators' logs. It is made
// when somebody first asks for it.
type Topic struct {
	Name       string
	Purpose    string // of what it is, for the log: "consumer groups"
	Partitions int32
	Replicas   int16 // or as many as there are brokers, if they are fewer
	Configs    map[string]string
	Cluster    *coordinator.Cluster
	Self       protocol.BrokerID
	Logger     *slog.Logger
	// Settle returns when the broker's partitions are as the metadata says.
	Settle func(context.Context) error
}

// Count is the number of partitions, and whether the topic exists.
func (t *Topic) Count() (int32, bool) {
	made, ok := t.Cluster.Image().Topic(t.Name)
	if !ok {
		return 0, false
	}
	return int32(len(made.Partitions)), true
}

// Make makes the topic, with as many replicas as there are brokers to hold them: a
// broker that is alone serves at once. That it exists is no error.
func (t *Topic) Make(ctx context.Context) error {
	replicas := min(int(t.Replicas), len(t.Cluster.Image().Brokers()))
	_, err := t.Cluster.CreateTopic(ctx, plan.NewTopic{
		Name: t.Name, Partitions: t.Partitions, ReplicationFactor: int16(replicas), Configs: t.Configs,
	}, false)
	if err != nil && !errors.Is(err, refusal.ErrTopicExists) {
		return err
	}
	if err == nil {
		t.Logger.Info("topic created for "+t.Purpose, "topic", t.Name, "partitions", t.Partitions, "replicas", replicas)
	}
	return t.Settle(ctx)
}
