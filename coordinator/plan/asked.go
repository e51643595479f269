package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// What operators ask for: an election now, other replicas.

// NeedsElection are the partitions of an image whose leader an election would change.
func NeedsElection(im *image.Image, rulesOf RulesOf, preferred bool) (ids []protocol.TopicPartition) {
	live := LivenessIn(im)
	for _, t := range im.Topics() {
		rules := rulesOf(t.Configs)
		rules.Preferred = preferred
		for _, p := range t.Partitions {
			id := protocol.TopicPartition{Topic: t.ID, Index: p.Index}
			if next, changed := Elect(p, live.For(id), rules); changed && next.Leader != p.Leader {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// ElectNow is the partition after an election that somebody asked for.
func ElectNow(im *image.Image, t *image.Topic, now image.Partition, rules ElectionRules) (image.Partition, error) {
	brokers := LivenessIn(im).For(protocol.TopicPartition{Topic: t.ID, Index: now.Index})
	next, changed := Elect(now, brokers, rules)
	switch {
	case rules.Preferred && next.Leader != now.Preferred():
		return now, fmt.Errorf("%w: %s-%d: broker %d is not in sync, or not there; ISR %v",
			refusal.ErrPreferredNotAvailable, t.Name, now.Index, now.Preferred(), now.ISR.IDs())
	case next.Leader == protocol.NoBroker:
		return now, fmt.Errorf("%w: %s-%d: of the ISR %v, which alone has all that was acknowledged, nobody is there",
			refusal.ErrNoEligibleLeader, t.Name, now.Index, now.ISR.IDs())
	case !changed || next.Leader == now.Leader:
		return now, fmt.Errorf("%w: %s-%d is led by broker %d", refusal.ErrElectionNotNeeded, t.Name, now.Index, now.Leader)
	}
	return next, nil
}

// ReassignNow is the partition with a reassignment to the target begun, or, where
// that is nil, with the one under way cancelled.
func ReassignNow(im *image.Image, t *image.Topic, now image.Partition, target []protocol.BrokerID,
	rules ElectionRules) (image.Partition, error) {
	brokers := LivenessIn(im).For(protocol.TopicPartition{Topic: t.ID, Index: now.Index})
	if target == nil && len(now.Adding) == 0 && len(now.Removing) == 0 {
		return now, fmt.Errorf("%w: %s-%d", refusal.ErrNoReassignment, t.Name, now.Index)
	}
	if target != nil {
		if err := checkTarget(im, &now, target); err != nil {
			return now, fmt.Errorf("%s-%d: %w", t.Name, now.Index, err)
		}
	}
	next, _ := Elect(CancelReassignment(now), brokers, rules)
	if now.Leader != protocol.NoBroker && next.Leader == protocol.NoBroker {
		return now, fmt.Errorf("%w: %s-%d: of the ISR %v only replicas that are being added are there",
			refusal.ErrInvalidReplicaAssignment, t.Name, now.Index, now.ISR.IDs())
	}
	if target != nil {
		next = StartReassignment(next, target)
		next, _ = decide(next, brokers, rules) // nothing to wait for, if it only takes replicas away
	}
	return next, nil
}

// checkTarget refuses replicas that cannot be. One that is a replica already need not be live.
func checkTarget(im *image.Image, now *image.Partition, target []protocol.BrokerID) error {
	if len(target) == 0 {
		return fmt.Errorf("%w: it names no replica", refusal.ErrInvalidReplicaAssignment)
	}
	for i, id := range target {
		if slices.Contains(target[:i], id) {
			return fmt.Errorf("%w: it names broker %d twice", refusal.ErrInvalidReplicaAssignment, id)
		}
		if _, live := im.Broker(id); !live && !now.Hosts(id) {
			return fmt.Errorf("%w: it names broker %d, which is not registered; there are %s",
				refusal.ErrInvalidReplicaAssignment, id, brokerIDs(im.Brokers()))
		}
	}
	return nil
}

func brokerIDs(brokers []image.Broker) string {
	ids := make([]string, len(brokers))
	for i, b := range brokers {
		ids[i] = fmt.Sprint(b.ID)
	}
	return "[" + strings.Join(ids, " ") + "]"
}
