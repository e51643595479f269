package cluster

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
)

// balancing is the plan of which brokers are to hold which partitions. It is pure:
// the same brokers and topics give the same plan.
type balancing struct {
	brokers  []int32          // that may hold replicas, in order
	racks    map[int32]string // "" = none
	replicas int              // that each partition is to have; 0 = as many as it has
	shrink   bool             // a replica that no other broker can take is given up
	load     map[int32]int    // replicas that each broker holds, those of all topics
	leads    map[int32]int    // partitions that each broker prefers to lead
}

// planned is what a partition is to become.
type planned struct {
	Topic     string  `json:"topic" yaml:"topic"`
	Partition int32   `json:"partition" yaml:"partition"`
	From      []int32 `json:"replicas" yaml:"replicas"`
	To        []int32 `json:"target" yaml:"target"`
}

// balance plans the partitions of some topics, all being the load that there is.
//
// Replicas leave brokers that are not to hold any, or are more than are wanted; those
// that are lacking, and then those of the brokers that hold most, go to those that hold
// least, in racks that have none of the partition first. No move makes the racks of a
// partition fewer. Leaders are spread at last, which moves no data.
func (b *balancing) balance(topics, all kadm.TopicDetails) []planned {
	b.load, b.leads = map[int32]int{}, map[int32]int{}
	all.EachPartition(func(p kadm.PartitionDetail) {
		for _, id := range p.Replicas {
			b.load[id]++
		}
		if len(p.Replicas) > 0 {
			b.leads[p.Replicas[0]]++
		}
	})
	var plan []*planned
	for _, d := range topics.Sorted() {
		for _, p := range d.Partitions.Sorted() {
			plan = append(plan, &planned{p.Topic, p.Partition, slices.Clone(p.Replicas), slices.Clone(p.Replicas)})
		}
	}
	for _, p := range plan {
		b.settle(p)
	}
	for b.even(plan) {
	}
	for _, p := range plan {
		b.leads[p.From[0]]--
		b.leads[p.To[0]]++
	}
	for b.evenLeaders(plan) {
	}
	var changed []planned
	for _, p := range plan {
		if !slices.Equal(p.From, p.To) {
			changed = append(changed, *p)
		}
	}
	return changed
}

// settle gives a partition as many replicas as it is to have, on brokers that may hold them.
func (b *balancing) settle(p *planned) {
	want := b.replicas
	if want == 0 {
		want = len(p.From)
	}
	for i, id := range p.To { // in place, so that the leader stays where it can
		if slices.Contains(b.brokers, id) {
			continue
		}
		if to, ok := b.lightest(p.To, id); ok {
			b.load[id]--
			b.load[to]++
			p.To[i] = to
		}
	}
	if b.shrink {
		stay := slices.DeleteFunc(slices.Clone(p.To), func(id int32) bool { return !slices.Contains(b.brokers, id) })
		if len(stay) > 0 {
			p.To, want = stay, min(want, len(b.brokers))
		}
	}
	for len(p.To) < want {
		to, ok := b.lightest(p.To, -1)
		if !ok {
			break
		}
		p.To = append(p.To, to)
		b.load[to]++
	}
	for len(p.To) > want {
		at := 1 // never the preferred leader
		for i := 2; i < len(p.To); i++ {
			if b.load[p.To[i]] > b.load[p.To[at]] {
				at = i
			}
		}
		b.load[p.To[at]]--
		p.To = slices.Delete(p.To, at, at+1)
	}
}

// lightest is the broker that a replica goes to beside those that there are, of which
// one may go.
func (b *balancing) lightest(have []int32, goes int32) (best int32, ok bool) {
	for _, id := range b.brokers {
		if slices.Contains(have, id) {
			continue
		}
		if !ok || b.compare(have, goes, id, best) < 0 {
			best, ok = id, true
		}
	}
	return best, ok
}

// compare orders two brokers as places of a replica: a new rack first, then the load.
func (b *balancing) compare(have []int32, goes, x, y int32) int {
	taken := func(id int32) int {
		if b.shares(have, goes, id) {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(taken(x), taken(y)), cmp.Compare(b.load[x], b.load[y]), cmp.Compare(x, y))
}

// shares reports whether a broker's rack has a replica already, but for the one that goes.
func (b *balancing) shares(have []int32, goes, id int32) bool {
	return slices.ContainsFunc(have, func(h int32) bool { return h != goes && b.racks[h] == b.racks[id] })
}

// even moves one replica from a broker to another that holds two less, if there is such.
func (b *balancing) even(plan []*planned) bool {
	heavy := slices.Clone(b.brokers)
	slices.SortStableFunc(heavy, func(x, y int32) int { return cmp.Compare(b.load[y], b.load[x]) })
	for _, from := range heavy {
		for i := len(heavy) - 1; i >= 0; i-- {
			to := heavy[i]
			if b.load[from]-b.load[to] < 2 {
				break
			}
			for _, p := range plan {
				at := slices.Index(p.To, from)
				if at < 0 || slices.Contains(p.To, to) || b.shares(p.To, from, to) && !b.shares(p.To, from, from) {
					continue
				}
				p.To[at] = to
				b.load[from]--
				b.load[to]++
				return true
			}
		}
	}
	return false
}

// evenLeaders has one partition prefer another of its replicas to lead, if that one
// leads two less.
func (b *balancing) evenLeaders(plan []*planned) bool {
	for _, p := range plan {
		for i := 1; i < len(p.To); i++ {
			if b.leads[p.To[0]]-b.leads[p.To[i]] < 2 {
				continue
			}
			b.leads[p.To[0]]--
			b.leads[p.To[i]]++
			p.To[0], p.To[i] = p.To[i], p.To[0]
			return true
		}
	}
	return false
}
