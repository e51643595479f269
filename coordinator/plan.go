package coordinator

import (
	"fmt"
	"slices"
	"strings"

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
func Place(brokers []Broker, n, rf, start int) ([][]protocol.BrokerID, error) {
	if rf <= 0 {
		return nil, Refuse(ErrInvalidReplicationFactor, "Replication factor must be larger than 0.")
	}
	if rf > len(brokers) {
		return nil, Refuse(ErrInvalidReplicationFactor, "Unable to replicate the partition %d time(s): "+
			"The target replication factor of %d cannot be reached because only %d broker(s) are registered.", rf, rf, len(brokers))
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
func replicasFrom(ring []Broker, leader, shift, rf int) []protocol.BrokerID {
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
func rackRing(brokers []Broker) []Broker {
	byRack := make(map[string][]Broker)
	var racks []string
	for _, b := range brokers {
		if byRack[b.Rack] == nil {
			racks = append(racks, b.Rack)
		}
		byRack[b.Rack] = append(byRack[b.Rack], b)
	}
	slices.Sort(racks)
	ring := make([]Broker, 0, len(brokers))
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
func (im *Image) staying(n int) []Broker {
	if len(im.leaving) == 0 {
		return im.brokers
	}
	stay := slices.DeleteFunc(slices.Clone(im.brokers), func(b Broker) bool { return b.Leaving })
	if len(stay) < n {
		return im.brokers
	}
	return stay
}

// joined are the present broker epochs of replicas, which are in sync from the start.
func (im *Image) joined(replicas [][]protocol.BrokerID) [][]protocol.BrokerEpoch {
	now := make(map[protocol.BrokerID]protocol.BrokerEpoch, len(im.brokers))
	for i := range im.brokers {
		now[im.brokers[i].ID] = im.brokers[i].Epoch
	}
	all := make([][]protocol.BrokerEpoch, len(replicas))
	for i, r := range replicas {
		all[i] = make([]protocol.BrokerEpoch, len(r))
		for j, id := range r {
			all[i][j] = now[id]
		}
	}
	return all
}

// alongside makes joined as long as the replicas, where an older layout has none.
func alongside(replicas [][]protocol.BrokerID, joined [][]protocol.BrokerEpoch) [][]protocol.BrokerEpoch {
	all := make([][]protocol.BrokerEpoch, len(replicas))
	for i, r := range replicas {
		all[i] = make([]protocol.BrokerEpoch, len(r))
		if i < len(joined) && len(joined[i]) == len(r) {
			all[i] = joined[i]
		}
	}
	return all
}

// checkAssignment refuses replicas that cannot be: every partition has rf of
// them, on different brokers that are registered.
func checkAssignment(im *Image, replicas [][]protocol.BrokerID, rf int) error {
	for _, r := range replicas {
		if len(r) == 0 {
			return Refuse(ErrInvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
		}
		if len(r) != rf {
			return Refuse(ErrInvalidReplicaAssignment, "The manual partition assignment includes a partition with %d replica(s), "+
				"but this is not consistent with previous partitions, which have %d replica(s).", len(r), rf)
		}
		for j, id := range r {
			if slices.Contains(r[:j], id) {
				return Refuse(ErrInvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", id)
			}
			if _, ok := im.Broker(id); !ok {
				return Refuse(ErrInvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", id)
			}
		}
	}
	return nil
}

func brokerIDs(brokers []Broker) string {
	ids := make([]string, len(brokers))
	for i, b := range brokers {
		ids[i] = fmt.Sprint(b.ID)
	}
	return "[" + strings.Join(ids, " ") + "]"
}
