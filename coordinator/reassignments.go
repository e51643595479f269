package coordinator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// AlterReassignments gives partitions other replicas, or, where the target is
// nil, cancels the reassignment under way. It begins them: an image shows how
// far they are. Each partition has its own outcome, nil or an error.
func (c *Cluster) AlterReassignments(ctx context.Context, targets map[protocol.TopicPartition][]protocol.BrokerID) map[protocol.TopicPartition]error {
	ids := make([]protocol.TopicPartition, 0, len(targets))
	for id := range targets {
		ids = append(ids, id)
	}
	return c.changeEach(ctx, ids, func(im *image.Image, t *image.Topic, now image.Partition) (image.Partition, error) {
		id := protocol.TopicPartition{Topic: t.ID, Index: now.Index}
		return plan.ReassignNow(im, t, now, targets[id], c.o.Rules(t.Configs))
	})
}

// ElectLeaders holds elections now; preferred gives leadership back to each
// partition's first replica. It is never unclean: who was not in sync is not
// chosen. Without ids it is over all partitions, and tells only of those that
// it changed and those where it failed.
func (c *Cluster) ElectLeaders(ctx context.Context, ids []protocol.TopicPartition, preferred bool) map[protocol.TopicPartition]error {
	if ids != nil {
		return c.changeEach(ctx, ids, func(im *image.Image, t *image.Topic, now image.Partition) (image.Partition, error) {
			rules := c.o.Rules(t.Configs)
			rules.Preferred = preferred
			return plan.ElectNow(im, t, now, rules)
		})
	}
	ids = plan.NeedsElection(c.Image(), c.o.Rules, preferred)
	if len(ids) == 0 {
		return nil
	}
	return c.ElectLeaders(ctx, ids, preferred)
}

// changeEach decides a next state of each partition from the newest image, and
// carries it out, until the store agrees or the decision is an error.
func (c *Cluster) changeEach(ctx context.Context, ids []protocol.TopicPartition,
	decide func(*image.Image, *image.Topic, image.Partition) (image.Partition, error),
) map[protocol.TopicPartition]error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	outcome := make(map[protocol.TopicPartition]error, len(ids))
	lost := make(map[protocol.TopicPartition]*image.Partition) // what tries would have made of which nobody knows
	ids = slices.Clone(ids)
	for {
		changed := c.Changed()
		im := c.Image()
		var moves []*move
		var retry <-chan time.Time
		for _, id := range ids {
			t, p, ok := im.Partition(id)
			if !ok {
				outcome[id] = fmt.Errorf("%w: %s", refusal.ErrUnknownPartition, id)
				continue
			}
			if made := lost[id]; made != nil && p.PartitionEpoch == made.PartitionEpoch+1 && same(p, made) {
				outcome[id] = nil
				continue
			}
			next, err := decide(im, t, *p)
			if outcome[id] = err; err == nil && !same(p, &next) {
				moves = append(moves, &move{Move: plan.Move{Topic: t, Next: next}})
			}
		}
		c.carryOut(ctx, moves)
		ids = ids[:0]
		for _, m := range moves {
			switch {
			case m.done:
			case m.err == nil:
				ids = append(ids, m.ID()) // somebody was faster, and the image will show it
			case isLost(m.err):
				ids = append(ids, m.ID())
				lost[m.ID()] = &m.Next
				retry = time.After(retryMin)
			default:
				outcome[m.ID()] = m.err
			}
		}
		if len(ids) == 0 {
			return outcome
		}
		select {
		case <-changed:
		case <-retry:
		case <-c.ending.Done():
			return fail(outcome, ids, ErrClosed)
		case <-ctx.Done():
			return fail(outcome, ids, outOfTime(ctx))
		}
	}
}

func fail(outcome map[protocol.TopicPartition]error, ids []protocol.TopicPartition, err error) map[protocol.TopicPartition]error {
	for _, id := range ids {
		outcome[id] = err
	}
	return outcome
}

// same reports whether there is nothing to write.
func same(a, b *image.Partition) bool {
	return a.Leader == b.Leader && a.LeaderEpoch == b.LeaderEpoch && slices.Equal(a.ISR, b.ISR) &&
		slices.Equal(a.Replicas, b.Replicas) && slices.Equal(a.Adding, b.Adding) && slices.Equal(a.Removing, b.Removing)
}
