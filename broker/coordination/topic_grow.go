package coordination

import (
	"context"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// growPause is how long the controller waits after it has looked whether the
// topic could grow.
const growPause = time.Second

// Grow gives the topic the replicas that it was to have, once there are the
// brokers for them: the first broker of a cluster makes the topic when it is
// asked, with the replicas that it can have then. Only the controller does this.
// It returns when ctx ends.
func (t *Topic) Grow(ctx context.Context) {
	for {
		changed := t.Cluster.Changed()
		again := t.growOnce(ctx, t.Cluster.Image())
		select {
		case <-ctx.Done():
			return
		case <-time.After(growPause):
		}
		if again {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// growOnce has the topic grow as far as it can now, and reports whether that
// failed somewhere.
func (t *Topic) growOnce(ctx context.Context, im *image.Image) (again bool) {
	made, ok := im.Topic(t.Name)
	if !ok || im.Controller != t.Self {
		return false
	}
	targets := growth(made, im.Brokers(), int(t.Replicas))
	if len(targets) == 0 {
		return false
	}
	failed := 0
	for id, err := range t.Cluster.AlterReassignments(ctx, targets) {
		if err != nil {
			failed++
			t.Logger.Warn("the topic of "+t.Purpose+" cannot grow", "partition", id.Index, "error", err)
		}
	}
	t.Logger.Info("the topic of "+t.Purpose+" follows the brokers that there are",
		"topic", t.Name, "partitions", len(targets)-failed)
	return failed > 0
}

// growth is which replicas the partitions get that have too few for the brokers
// that there are. Those they have stay; new ones, and who is to lead, are spread
// evenly. A partition that is on the move already is left alone; a growth that is
// stuck is taken back, for which the target is nil.
func growth(
	t *image.Topic, brokers []image.Broker, replicas int,
) map[protocol.TopicPartition][]protocol.BrokerID {
	brokers = slices.DeleteFunc(slices.Clone(brokers), func(b image.Broker) bool { return b.Leaving })
	held, led := map[protocol.BrokerID]int{}, map[protocol.BrokerID]int{}
	for i := range t.Partitions {
		for _, id := range t.Partitions[i].Replicas {
			held[id]++
		}
		led[t.Partitions[i].Replicas[0]]++
	}
	targets := make(map[protocol.TopicPartition][]protocol.BrokerID)
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if stuck(p, brokers) {
			targets[protocol.TopicPartition{Topic: t.ID, Index: p.Index}] = nil
			continue
		}
		if len(p.Adding)+len(p.Removing) > 0 {
			continue
		}
		target := slices.Clone(p.Replicas)
		for len(target) < replicas {
			id, ok := least(brokers, target, held)
			if !ok {
				break
			}
			held[id]++
			target = append(target, id)
		}
		if len(target) == len(p.Replicas) {
			continue
		}
		led[target[0]]--
		first := slices.MinFunc(target, func(a, b protocol.BrokerID) int { return led[a] - led[b] })
		led[first]++
		target = slices.DeleteFunc(target, func(id protocol.BrokerID) bool { return id == first })
		targets[protocol.TopicPartition{Topic: t.ID, Index: p.Index}] = slices.Insert(target, 0, first)
	}
	return targets
}

// stuck reports whether a partition grows only towards brokers that are gone. As
// min.insync.replicas may count those already, it might not be written to before they are back.
func stuck(p *image.Partition, live []image.Broker) bool {
	isLive := func(id protocol.BrokerID) bool {
		return slices.ContainsFunc(live, func(b image.Broker) bool { return b.ID == id })
	}
	stays := func(id protocol.BrokerID) bool { return isLive(id) && !slices.Contains(p.Adding, id) }
	return len(p.Adding) > 0 && len(p.Removing) == 0 &&
		!slices.ContainsFunc(p.Adding, isLive) && slices.ContainsFunc(p.ISR.IDs(), stays)
}

// least is the broker with the fewest replicas among those that have none of
// this partition.
func least(
	brokers []image.Broker, has []protocol.BrokerID, held map[protocol.BrokerID]int,
) (best protocol.BrokerID, ok bool) {
	for _, b := range brokers {
		if !slices.Contains(has, b.ID) && (!ok || held[b.ID] < held[best]) {
			best, ok = b.ID, true
		}
	}
	return best, ok
}
