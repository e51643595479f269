package plan

import (
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// Move is the next state of one partition, decided from one image. It holds if
// the partition, its topic and what it needs are still as they were.
type Move struct {
	Topic *image.Topic    // of the image that it was decided from
	Next  image.Partition // with the PartitionEpoch and the revision of the state that it follows
	Needs protocol.Members
}

// ID names the partition.
func (m *Move) ID() protocol.TopicPartition {
	return protocol.TopicPartition{Topic: m.Topic.ID, Index: m.Next.Index}
}

// Candidate is a partition that may need an election.
type Candidate struct {
	topic *image.Topic
	index int
}

// Candidates are the partitions that may need an election in im, if all was well
// in last; nil: that is not known of any.
func Candidates(last, im *image.Image) []Candidate {
	var all []Candidate
	everything := last == nil || !last.SameBrokers(im) || last.ClusterConfig().Revision != im.ClusterConfig().Revision
	for _, t := range im.Topics() {
		var old *image.Topic
		if !everything {
			old, _ = last.TopicByID(t.ID)
		}
		if old == t {
			continue
		}
		for i := range t.Partitions {
			if old != nil && i < len(old.Partitions) && old.Partitions[i].Revision == t.Partitions[i].Revision {
				continue
			}
			all = append(all, Candidate{t, i})
		}
	}
	return all
}

// RulesOf says what an election of a topic with these overrides may do.
type RulesOf func(configs map[string]string) ElectionRules

// Elections are the moves that a controller wants of candidates of an image; with
// preferred, leadership goes back to preferred replicas.
func Elections(im *image.Image, candidates []Candidate, rulesOf RulesOf, preferred bool) []Move {
	live := LivenessIn(im)
	var moves []Move
	var of *image.Topic // whose rules these are; to work them out costs more than to see that all is well
	var rules ElectionRules
	for _, c := range candidates {
		t, p := c.topic, &c.topic.Partitions[c.index]
		brokers := live.For(protocol.TopicPartition{Topic: t.ID, Index: p.Index})
		if atRest(p, brokers, ElectionRules{Preferred: preferred}) && len(p.Adding) == 0 && len(p.Removing) == 0 {
			continue
		}
		if of != t {
			of, rules = t, rulesOf(t.Configs)
			rules.Preferred = preferred
		}
		if next, changed := decide(*p, brokers, rules); changed {
			moves = append(moves, Move{Topic: t, Next: next, Needs: brokers.registered(next.ISR)})
		}
	}
	return moves
}

// registered are those of some members that live, as they are registered now: one
// that has come back since without its log must not become the last one that stays.
func (l LiveBrokers) registered(isr protocol.Members) (needs protocol.Members) {
	for _, m := range isr {
		if b, ok := l[m.ID]; ok {
			needs = append(needs, protocol.Member{ID: m.ID, BrokerEpoch: b.Epoch})
		}
	}
	return needs
}

// decide is what a controller wants of a partition: an election, and, where a
// reassignment can end, its end.
func decide(now image.Partition, brokers LiveBrokers, rules ElectionRules) (next image.Partition, changed bool) {
	next, elected := Elect(now, brokers, rules)
	next, moved := Reassign(next, rules)
	if moved {
		next, _ = Elect(next, brokers, rules)
	}
	return next, elected || moved
}
