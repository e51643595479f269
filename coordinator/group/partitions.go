package group

import (
	"bytes"
	"maps"
	"slices"
)

// TopicID names a topic for good: one that is created again has another.
type TopicID [16]byte

// Partitions are partitions by topic. Each list is sorted, without repeats and
// not empty. They are not changed once made: members share them.
type Partitions map[TopicID][]int32

// place is one partition of a topic.
type place struct {
	topic     TopicID
	partition int32
}

// NewPartitions puts lists in order that came from a client.
func NewPartitions(lists map[TopicID][]int32) Partitions {
	p := make(Partitions, len(lists))
	for id, list := range lists {
		list = slices.Clone(list)
		slices.Sort(list)
		p.put(id, slices.Compact(list))
	}
	return p
}

func (p Partitions) put(id TopicID, list []int32) {
	if len(list) > 0 {
		p[id] = list
	}
}

// split divides p in what q has too and what it has not.
func (p Partitions) split(q Partitions) (both, rest Partitions) {
	both, rest = Partitions{}, Partitions{}
	for id, list := range p {
		b, r := splitSorted(list, q[id])
		both.put(id, b)
		rest.put(id, r)
	}
	return both, rest
}

func splitSorted(a, b []int32) (both, rest []int32) {
	for _, v := range a {
		for len(b) > 0 && b[0] < v {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == v {
			both = append(both, v)
		} else {
			rest = append(rest, v)
		}
	}
	return both, rest
}

// plus is what p or q has.
func (p Partitions) plus(q Partitions) Partitions {
	sum := maps.Clone(p)
	if sum == nil {
		sum = Partitions{}
	}
	for id, list := range q {
		all := append(slices.Clone(sum[id]), list...)
		slices.Sort(all)
		sum.put(id, slices.Compact(all))
	}
	return sum
}

// filter divides p by what keep says.
func (p Partitions) filter(keep func(place) bool) (kept, rest Partitions) {
	kept, rest = Partitions{}, Partitions{}
	for id, list := range p {
		var k, r []int32
		for _, i := range list {
			if keep(place{id, i}) {
				k = append(k, i)
			} else {
				r = append(r, i)
			}
		}
		kept.put(id, k)
		rest.put(id, r)
	}
	return kept, rest
}

// within reports whether q has all of p.
func (p Partitions) within(q Partitions) bool {
	_, rest := p.split(q)
	return len(rest) == 0
}

// meets reports whether p and q have one in common.
func (p Partitions) meets(q Partitions) bool {
	both, _ := p.split(q)
	return len(both) > 0
}

func (p Partitions) equal(q Partitions) bool {
	return maps.EqualFunc(p, q, slices.Equal[[]int32])
}

// each calls f for every partition.
func (p Partitions) each(f func(place)) {
	for id, list := range p {
		for _, i := range list {
			f(place{id, i})
		}
	}
}

// count is how many partitions there are.
func (p Partitions) count() (n int) {
	for _, list := range p {
		n += len(list)
	}
	return n
}

// TopicIDs are the topics, in order.
func (p Partitions) TopicIDs() []TopicID {
	return slices.SortedFunc(maps.Keys(p), func(a, b TopicID) int { return bytes.Compare(a[:], b[:]) })
}
