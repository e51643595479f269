package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// offsetsTopic is where groups and their offsets are kept.
const offsetsTopic = "__consumer_offsets"

// offsetsConfigs are the settings it is made with. It is compacted: the newest
// record of each key is the state.
var offsetsConfigs = map[string]string{
	"cleanup.policy":   "compact",
	"compression.type": "producer",
	"segment.bytes":    "104857600",
	"conflict.policy":  "off",
}

// offsetsPartitions is the number of partitions of the offsets topic. The first
// who asks makes the topic, with as many replicas as there are brokers to hold
// them: a broker that is alone serves groups at once.
func (g *groups) offsetsPartitions(x *exchange) (int32, error) {
	if t, ok := g.srv.cluster.Image().Topic(offsetsTopic); ok {
		return int32(len(t.Partitions)), nil
	}
	ctx, cancel := x.withinDefault()
	defer cancel()
	if err := g.makeTopic(ctx); err != nil {
		g.srv.log.Warn("the topic of consumer groups cannot be created", "topic", offsetsTopic, "error", err)
		return 0, fmt.Errorf("%w: %s: %w", kerr.CoordinatorNotAvailable, offsetsTopic, err)
	}
	t, ok := g.srv.cluster.Image().Topic(offsetsTopic)
	if !ok {
		return 0, kerr.CoordinatorNotAvailable
	}
	return int32(len(t.Partitions)), nil
}

func (g *groups) makeTopic(ctx context.Context) error {
	cfg := &g.srv.cfg.Groups
	replicas := min(int(cfg.OffsetsReplicas), len(g.srv.cluster.Image().Brokers()))
	_, err := g.srv.cluster.CreateTopic(ctx, coordinator.NewTopic{
		Name: offsetsTopic, Partitions: cfg.OffsetsPartitions, ReplicationFactor: int16(replicas), Configs: offsetsConfigs,
	}, false)
	if err != nil && !errors.Is(err, coordinator.ErrTopicExists) {
		return err
	}
	if err == nil {
		g.srv.log.Info("topic created for consumer groups", "topic", offsetsTopic, "partitions", cfg.OffsetsPartitions, "replicas", replicas)
	}
	return g.srv.hosted.Settle(ctx)
}

// serve runs f in the loop with the shard that a group belongs to, or with the
// reason why this broker does not serve it. The request's bytes are given back
// first: f must not need them, and finishes the exchange, now or later.
func (g *groups) serve(x *exchange, groupID string, f func(*shard, error)) {
	n, err := g.offsetsPartitions(x)
	x.giveBack()
	if err != nil {
		f(nil, err)
		return
	}
	index := group.PartitionOf(groupID, n)
	task := func() {
		sh, err := g.shard(index)
		if err == nil || sh == nil || sh.patience == 0 {
			f(sh, err)
			return
		}
		sh.whenLoaded(func(err error) { f(sh, err) })
	}
	if !g.post(task) {
		f(nil, kerr.CoordinatorNotAvailable)
	}
}

// serveAll is serve for several groups at once: each is called for every id, and
// done when all that its answer rests on is committed, with the error if that
// failed. A group that is named again is refused: a small request could ask for
// the same large answer very often.
func (g *groups) serveAll(x *exchange, ids []string, each func(i int, sh *shard, err error), done func(i int, err error), finish func()) {
	n, err := g.offsetsPartitions(x)
	x.giveBack()
	run := func() {
		named := tallyOf(ids, func(id *string) string { return *id })
		left := len(ids) + 1
		end := func() {
			if left--; left == 0 {
				finish()
			}
		}
		for i, id := range ids {
			sh, serr := (*shard)(nil), err
			if named.take(id) == 0 {
				serr = errTwice("group", id)
			} else if serr == nil {
				sh, serr = g.shard(group.PartitionOf(id, n))
			}
			serveOne(sh, serr, i, each, func(i int, err error) { done(i, err); end() })
		}
		end()
	}
	if err != nil || !g.post(run) {
		if err == nil {
			err = kerr.CoordinatorNotAvailable
		}
		run()
	}
}

func serveOne(sh *shard, err error, i int, each func(int, *shard, error), done func(int, error)) {
	switch {
	case err == nil:
		each(i, sh, nil)
		sh.after(func(err error) { done(i, err) })
	case sh != nil && sh.patience > 0:
		sh.whenLoaded(func(err error) {
			each(i, sh, err)
			if err != nil {
				done(i, nil)
				return
			}
			sh.after(func(err error) { done(i, err) })
		})
	default:
		each(i, sh, err)
		done(i, nil)
	}
}
