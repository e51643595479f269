package plan

import (
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/protocol"
)

// VotersMax is how many brokers keep the metadata and vote on it at most. More
// would make each change slower and protect from nothing that happens; brokers
// beyond are clients of these.
const VotersMax = 7

// MetadataMember is a broker's member of the etcd that brokers carry.
type MetadataMember struct {
	Broker protocol.BrokerID // NoBroker: it has been added and has not started yet
	Votes  bool              // a learner does not
	Live   bool              // its broker is registered
}

// JoinsAsMember reports whether a broker that joins is to carry a member.
func JoinsAsMember(members []MetadataMember) bool { return len(members) < VotersMax }

// NextVoter says which learner gets a vote next; ok is false if none does.
//
// Votes are odd in number: a fourth voter survives no more deaths than three and has
// to be waited for as well. So learners get theirs when there are enough of them that
// live, one after the other. The voter that is new counts as one that may fail at once:
// it gets its vote only if those who live are a majority with it.
func NextVoter(members []MetadataMember) (next protocol.BrokerID, ok bool) {
	voters, live := 0, 0
	var learners []protocol.BrokerID
	for _, m := range members {
		switch {
		case m.Votes:
			voters++
			if m.Live {
				live++
			}
		case m.Live:
			learners = append(learners, m.Broker)
		}
	}
	want := min(voters+len(learners), VotersMax)
	want -= (want + 1) % 2 // odd
	if voters >= want || live+1 < majority(voters+1) {
		return protocol.NoBroker, false
	}
	return slices.Min(learners), true
}

func majority(voters int) int { return voters/2 + 1 }

// CheckMemberRemoval refuses to remove a broker's member if those that are left and
// live were no majority then: nothing could be changed any more, this neither.
func CheckMemberRemoval(members []MetadataMember, id protocol.BrokerID) error {
	voters, live := 0, 0
	for _, m := range members {
		if !m.Votes || m.Broker == id {
			continue
		}
		voters++
		if m.Live {
			live++
		}
	}
	if live >= majority(voters) {
		return nil
	}
	return refusal.New(refusal.ErrInvalidRequest, "Without broker %d, %d of %d members of the metadata would live, and %d are needed: "+
		"start those that are down first", id, live, voters, majority(voters))
}

// MoreReplicas are the replicas that partitions of a topic are to have once each has
// as many as are wanted, as far as there are brokers for them: the new ones go to
// those that hold the least, in racks that have none yet first. A partition that is
// being moved, or has enough, is left out.
func MoreReplicas(im *image.Image, t *image.Topic, wanted int) map[protocol.TopicPartition][]protocol.BrokerID {
	brokers := slices.DeleteFunc(slices.Clone(im.Brokers()), func(b image.Broker) bool { return b.Leaving })
	load := map[protocol.BrokerID]int{}
	for _, other := range im.Topics() {
		for i := range other.Partitions {
			for _, id := range other.Partitions[i].Replicas {
				load[id]++
			}
		}
	}
	targets := map[protocol.TopicPartition][]protocol.BrokerID{}
	for i := range t.Partitions {
		p := &t.Partitions[i]
		if len(p.Adding)+len(p.Removing) > 0 || p.Leader == protocol.NoBroker || len(p.Replicas) >= min(wanted, len(brokers)) {
			continue
		}
		target := slices.Clone(p.Replicas)
		for len(target) < wanted {
			id, ok := leastLoaded(brokers, target, load)
			if !ok {
				break
			}
			target = append(target, id)
			load[id]++
		}
		if len(target) > len(p.Replicas) {
			targets[protocol.TopicPartition{Topic: t.ID, Index: p.Index}] = target
		}
	}
	return targets
}

// leastLoaded is the broker for one more replica beside those that there are.
func leastLoaded(brokers []image.Broker, have []protocol.BrokerID, load map[protocol.BrokerID]int) (best protocol.BrokerID, ok bool) {
	var racks []string
	for _, b := range brokers {
		if slices.Contains(have, b.ID) {
			racks = append(racks, b.Rack)
		}
	}
	cost := func(b image.Broker) (int, int) {
		if slices.Contains(racks, b.Rack) {
			return 1, load[b.ID]
		}
		return 0, load[b.ID]
	}
	var bestRack, bestLoad int
	for _, b := range brokers {
		if slices.Contains(have, b.ID) {
			continue
		}
		rack, held := cost(b)
		if !ok || rack < bestRack || rack == bestRack && held < bestLoad {
			best, bestRack, bestLoad, ok = b.ID, rack, held, true
		}
	}
	return best, ok
}
