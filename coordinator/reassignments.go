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
func (c *Cluster) AlterReassignments(ctx context.Context,
	targets map[protocol.TopicPartition][]protocol.BrokerID) map[protocol.TopicPartition]error {
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
func (c *Cluster) ElectLeaders(ctx context.Context, ids []protocol.TopicPartition,
	preferred bool) map[protocol.TopicPartition]error {
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
	decide decidePartition) map[protocol.TopicPartition]error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	ch := partitionChanges{
		open: slices.Clone(ids), decide: decide,
		outcome: make(map[protocol.TopicPartition]error, len(ids)),
		lost:    make(map[protocol.TopicPartition]*image.Partition),
	}
	for {
		moved := c.Changed() // before the image is looked at, so that no move of it is missed
		moves := ch.decideAll(c.Image())
		c.carryOut(ctx, moves)
		retry := ch.sort(moves)
		if len(ch.open) == 0 {
			return ch.outcome
		}
		if err := c.awaitMove(ctx, moved, retry); err != nil {
			return ch.fail(err)
		}
	}
}

// decidePartition is what a change makes of a partition; the same state is no change.
type decidePartition func(*image.Image, *image.Topic, image.Partition) (image.Partition, error)

// partitionChanges are changes of many partitions, each with an outcome of its own.
// Unlike a change they share transactions, which carryOut makes of them.
type partitionChanges struct {
	decide  decidePartition
	open    []protocol.TopicPartition // whose outcome is not known
	outcome map[protocol.TopicPartition]error
	lost    map[protocol.TopicPartition]*image.Partition // what tries would have made of which nobody knows
}

// decideAll decides of each partition that is open, and returns what is to be written.
func (ch *partitionChanges) decideAll(im *image.Image) (moves []*move) {
	for _, id := range ch.open {
		t, p, ok := im.Partition(id)
		if !ok {
			ch.outcome[id] = fmt.Errorf("%w: %s", refusal.ErrUnknownPartition, id)
			continue
		}
		if made := ch.lost[id]; made != nil && p.PartitionEpoch == made.PartitionEpoch+1 && same(p, made) {
			ch.outcome[id] = nil // the lost try has made it
			continue
		}
		next, err := ch.decide(im, t, *p)
		if ch.outcome[id] = err; err == nil && !same(p, &next) {
			moves = append(moves, &move{Move: plan.Move{Topic: t, Next: next}})
		}
	}
	return moves
}

// sort takes in what became of the moves: those that are to be decided again stay
// open. retry is set if one was lost, of which the image may show nothing.
func (ch *partitionChanges) sort(moves []*move) (retry <-chan time.Time) {
	ch.open = ch.open[:0]
	for _, m := range moves {
		switch {
		case m.done:
		case m.err == nil:
			ch.open = append(ch.open, m.ID()) // somebody was faster, and the image will show it
		case isLost(m.err):
			ch.open = append(ch.open, m.ID())
			ch.lost[m.ID()] = &m.Next
			retry = time.After(retryMin)
		default:
			ch.outcome[m.ID()] = m.err
		}
	}
	return retry
}

// fail gives up what is open.
func (ch *partitionChanges) fail(err error) map[protocol.TopicPartition]error {
	for _, id := range ch.open {
		ch.outcome[id] = err
	}
	return ch.outcome
}

// same reports whether there is nothing to write.
func same(a, b *image.Partition) bool {
	return a.Leader == b.Leader && a.LeaderEpoch == b.LeaderEpoch && slices.Equal(a.ISR, b.ISR) &&
		slices.Equal(a.Replicas, b.Replicas) && slices.Equal(a.Adding, b.Adding) && slices.Equal(a.Removing, b.Removing)
}
