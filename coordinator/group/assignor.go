package group

import (
	"cmp"
	"slices"
)

// asker is a member as an assignor sees it: what it subscribes to, by name, and
// what it was given before.
type asker struct {
	id, instance string
	topics       []Topic
	has          Partitions
}

// assignor shares the partitions out: each that somebody subscribes to goes to
// one who does.
type assignor func([]asker) map[string]Partitions

// assignorNames are those that there are; the first is the default.
var assignorNames = []string{"uniform", "range"}

var assignors = map[string]assignor{"uniform": assignUniform, "range": assignRange}

// shares collects the parts of an assignment.
type shares map[string]map[TopicID][]int32

func (s shares) give(id string, p place) {
	of := s[id]
	if of == nil {
		of = make(map[TopicID][]int32)
		s[id] = of
	}
	of[p.topic] = append(of[p.topic], p.partition)
}

// done puts the lists in order; everybody has one.
func (s shares) done(askers []asker) map[string]Partitions {
	all := make(map[string]Partitions, len(askers))
	for _, a := range askers {
		p := Partitions(s[a.id])
		if p == nil {
			p = Partitions{}
		}
		for _, list := range p {
			slices.Sort(list)
		}
		all[a.id] = p
	}
	return all
}

// assignRange gives each member one run of every topic's partitions. Members
// stand in the same order for every topic, static ones by their instance, so that
// topics with as many partitions are divided alike.
func assignRange(askers []asker) map[string]Partitions {
	order := slices.Clone(askers)
	slices.SortStableFunc(order, func(a, b asker) int {
		if (a.instance == "") != (b.instance == "") {
			return cmp.Compare(len(b.instance), len(a.instance)) // static members first
		}
		return cmp.Or(cmp.Compare(a.instance, b.instance), cmp.Compare(a.id, b.id))
	})
	readers := make(map[Topic][]string)
	for _, a := range order {
		for _, t := range a.topics {
			readers[t] = append(readers[t], a.id)
		}
	}
	s := shares{}
	for t, ids := range readers {
		n := int32(len(ids))
		each, more := t.Partitions/n, t.Partitions%n
		next := int32(0)
		for i, id := range ids {
			run := each
			if int32(i) < more {
				run++
			}
			for range run {
				s.give(id, place{t.ID, next})
				next++
			}
		}
	}
	return s.done(askers)
}
