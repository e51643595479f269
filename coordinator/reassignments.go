package coordinator

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	return c.changeEach(ctx, ids, func(im *Image, t *Topic, now Partition) (Partition, error) {
		id := protocol.TopicPartition{Topic: t.ID, Index: now.Index}
		return c.reassigned(im, t, now, targets[id])
	})
}

// ElectLeaders holds elections now; preferred gives leadership back to each
// partition's first replica. It is never unclean: who was not in sync is not
// chosen. Without ids it is over all partitions, and tells only of those that
// it changed and those where it failed.
func (c *Cluster) ElectLeaders(ctx context.Context, ids []protocol.TopicPartition, preferred bool) map[protocol.TopicPartition]error {
	if ids != nil {
		return c.changeEach(ctx, ids, func(im *Image, t *Topic, now Partition) (Partition, error) {
			return c.elected(im, t, now, preferred)
		})
	}
	im := c.Image()
	live := newLiveness(im)
	for _, t := range im.topics {
		rules := c.o.Rules(t.Configs)
		rules.Preferred = preferred
		for _, p := range t.Partitions {
			id := protocol.TopicPartition{Topic: t.ID, Index: p.Index}
			if next, changed := Elect(p, live.of(id), rules); changed && next.Leader != p.Leader {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return c.ElectLeaders(ctx, ids, preferred)
}

// changeEach decides a next state of each partition from the newest image, and
// carries it out, until the store agrees or the decision is an error.
func (c *Cluster) changeEach(ctx context.Context, ids []protocol.TopicPartition,
	decide func(*Image, *Topic, Partition) (Partition, error),
) map[protocol.TopicPartition]error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	outcome := make(map[protocol.TopicPartition]error, len(ids))
	lost := make(map[protocol.TopicPartition]*Partition) // what tries would have made of which nobody knows
	ids = slices.Clone(ids)
	for {
		changed := c.Changed()
		im := c.Image()
		var moves []*move
		var retry <-chan time.Time
		for _, id := range ids {
			t, p, ok := im.Partition(id)
			if !ok {
				outcome[id] = fmt.Errorf("%w: %s", ErrUnknownPartition, id)
				continue
			}
			if made := lost[id]; made != nil && p.PartitionEpoch == made.PartitionEpoch+1 && same(p, made) {
				outcome[id] = nil
				continue
			}
			next, err := decide(im, t, *p)
			if outcome[id] = err; err == nil && !same(p, &next) {
				moves = append(moves, &move{topic: t, next: next})
			}
		}
		c.carryOut(ctx, moves)
		ids = ids[:0]
		for _, m := range moves {
			switch {
			case m.done:
			case m.err == nil:
				ids = append(ids, m.id()) // somebody was faster, and the image will show it
			case isLost(m.err):
				ids = append(ids, m.id())
				lost[m.id()] = &m.next
				retry = time.After(retryMin)
			default:
				outcome[m.id()] = m.err
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
func same(a, b *Partition) bool {
	return a.Leader == b.Leader && a.LeaderEpoch == b.LeaderEpoch && slices.Equal(a.ISR, b.ISR) &&
		slices.Equal(a.Replicas, b.Replicas) && slices.Equal(a.Adding, b.Adding) && slices.Equal(a.Removing, b.Removing)
}

// elected is the partition after an election that somebody asked for.
func (c *Cluster) elected(im *Image, t *Topic, now Partition, preferred bool) (Partition, error) {
	live := newLiveness(im)
	rules := c.o.Rules(t.Configs)
	rules.Preferred = preferred
	next, changed := Elect(now, live.of(protocol.TopicPartition{Topic: t.ID, Index: now.Index}), rules)
	switch {
	case preferred && next.Leader != now.preferred():
		return now, fmt.Errorf("%w: %s-%d: broker %d is not in sync, or not there; ISR %v",
			ErrPreferredNotAvailable, t.Name, now.Index, now.preferred(), now.ISR)
	case next.Leader == protocol.NoBroker:
		return now, fmt.Errorf("%w: %s-%d: of the ISR %v, which alone has all that was acknowledged, nobody is there",
			ErrNoEligibleLeader, t.Name, now.Index, now.ISR)
	case !changed || next.Leader == now.Leader:
		return now, fmt.Errorf("%w: %s-%d is led by broker %d", ErrElectionNotNeeded, t.Name, now.Index, now.Leader)
	}
	return next, nil
}

// reassigned is the partition with a reassignment begun or cancelled.
func (c *Cluster) reassigned(im *Image, t *Topic, now Partition, target []protocol.BrokerID) (Partition, error) {
	live := newLiveness(im)
	brokers := live.of(protocol.TopicPartition{Topic: t.ID, Index: now.Index})
	rules := c.o.Rules(t.Configs)
	if target == nil && len(now.Adding) == 0 && len(now.Removing) == 0 {
		return now, fmt.Errorf("%w: %s-%d", ErrNoReassignment, t.Name, now.Index)
	}
	if target != nil {
		if err := checkTarget(im, &now, target); err != nil {
			return now, fmt.Errorf("%s-%d: %w", t.Name, now.Index, err)
		}
	}
	next, _ := Elect(CancelReassignment(now), brokers, rules)
	if now.Leader != protocol.NoBroker && next.Leader == protocol.NoBroker {
		return now, fmt.Errorf("%w: %s-%d: of the ISR %v only replicas that are being added are there",
			ErrInvalidReplicaAssignment, t.Name, now.Index, now.ISR)
	}
	if target != nil {
		next = StartReassignment(next, target)
		next, _ = decidePartition(next, brokers, rules) // nothing to wait for, if it only takes replicas away
	}
	return next, nil
}

// checkTarget refuses replicas that cannot be. One that is a replica already need not be live.
func checkTarget(im *Image, now *Partition, target []protocol.BrokerID) error {
	if len(target) == 0 {
		return fmt.Errorf("%w: it names no replica", ErrInvalidReplicaAssignment)
	}
	for i, id := range target {
		if slices.Contains(target[:i], id) {
			return fmt.Errorf("%w: it names broker %d twice", ErrInvalidReplicaAssignment, id)
		}
		if _, live := im.Broker(id); !live && !slices.Contains(now.Replicas, id) {
			return fmt.Errorf("%w: it names broker %d, which is not registered; there are %s", ErrInvalidReplicaAssignment, id, brokerIDs(im.brokers))
		}
	}
	return nil
}
