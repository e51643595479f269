package plan

import (
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// Place spreads n new partitions with rf replicas each over the brokers.
//
// The brokers stand in a ring in which racks take turns. Partition p is led by
// place start+p of the ring; its other replicas are the next places that bring
// in a new rack, and, once all racks are in, the next places at all. With each
// lap the others are taken one place further on, so that the followers of one
// leader are not always the same. start is any number that differs from topic
// to topic, such as the number of partitions there are already.
//
// It is a pure function: the same arguments give the same plan.
func Place(brokers []image.Broker, n, rf, start int) ([][]protocol.BrokerID, error) {
	if rf <= 0 {
		return nil, refusal.New(refusal.ErrInvalidReplicationFactor, "Replication factor must be larger than 0.")
	}
	if rf > len(brokers) {
		return nil, refusal.New(refusal.ErrInvalidReplicationFactor, "Unable to replicate the partition %d time(s): "+
			"The target replication factor of %d cannot be reached because only %d broker(s) are registered.",
			rf, rf, len(brokers))
	}
	ring := rackRing(brokers)
	plan := make([][]protocol.BrokerID, n)
	for p := range plan {
		at := start + p
		plan[p] = replicasFrom(ring, at%len(ring), at/len(ring), rf)
	}
	return plan, nil
}

// replicasFrom takes rf places of the ring: the leader's, then, from shift
// places further on, new racks first.
func replicasFrom(ring []image.Broker, leader, shift, rf int) []protocol.BrokerID {
	replicas := make([]protocol.BrokerID, 0, rf)
	replicas = append(replicas, ring[leader].ID)
	racks := []string{ring[leader].Rack}

	for _, newRacksOnly := range []bool{true, false} {
		for i := range len(ring) - 1 {
			if len(replicas) == rf {
				return replicas
			}
			// Over the ring without the leader, so that each other place comes up once.
			b := ring[(leader+1+(shift+i)%(len(ring)-1))%len(ring)]
			if slices.Contains(replicas, b.ID) || newRacksOnly && slices.Contains(racks, b.Rack) {
				continue
			}
			replicas, racks = append(replicas, b.ID), append(racks, b.Rack)
		}
	}
	return replicas
}

// rackRing orders brokers so that racks take turns. Within a rack they stand by id.
func rackRing(brokers []image.Broker) []image.Broker {
	byRack := make(map[string][]image.Broker)
	var racks []string
	for _, b := range brokers {
		if byRack[b.Rack] == nil {
			racks = append(racks, b.Rack)
		}
		byRack[b.Rack] = append(byRack[b.Rack], b)
	}
	slices.Sort(racks)
	ring := make([]image.Broker, 0, len(brokers))
	for turn := 0; len(ring) < len(brokers); turn++ {
		for _, r := range racks {
			if turn < len(byRack[r]) {
				ring = append(ring, byRack[r][turn])
			}
		}
	}
	return ring
}

// staying are the live brokers that are not about to go, or all if fewer than n stay.
func staying(im *image.Image, n int) []image.Broker {
	all := im.Brokers()
	leaves := func(b image.Broker) bool { return b.Leaving }
	if !slices.ContainsFunc(all, leaves) {
		return all
	}
	stay := slices.DeleteFunc(slices.Clone(all), leaves)
	if len(stay) < n {
		return all
	}
	return stay
}

// checkAssignment refuses replicas that cannot be: every partition has rf of
// them, on different brokers that are registered.
func checkAssignment(im *image.Image, replicas [][]protocol.BrokerID, rf int) error {
	for _, r := range replicas {
		if len(r) == 0 {
			return refusal.New(refusal.ErrInvalidReplicaAssignment,
				"The manual partition assignment includes an empty replica list.")
		}
		if len(r) != rf {
			return refusal.New(refusal.ErrInvalidReplicaAssignment,
				"The manual partition assignment includes a partition with %d replica(s), "+
					"but this is not consistent with previous partitions, which have %d replica(s).", len(r), rf)
		}
		for j, id := range r {
			if slices.Contains(r[:j], id) {
				return refusal.New(refusal.ErrInvalidReplicaAssignment,
					"The manual partition assignment includes the broker %d more than once.", id)
			}
			if _, ok := im.Broker(id); !ok {
				return refusal.New(refusal.ErrInvalidReplicaAssignment,
					"The manual partition assignment includes broker %d, but no such broker is registered.", id)
			}
		}
	}
	return nil
}
