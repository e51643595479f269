package group

import "slices"

// subscription is what a classic consumer says in its protocol's metadata.
type subscription struct {
	version int16
	topics  []string
	owned   map[string][]int32 // since version 1
	rack    string             // since version 3
}

// The versions of a subscription since which it has something.
const (
	subscriptionOwned      = 1
	subscriptionGeneration = 2
	subscriptionRack       = 3
)

// readSubscription reads a consumer's subscription. Later versions go on with
// what is not known here.
func readSubscription(metadata []byte) (subscription, bool) {
	r := reader{rest: metadata}
	s := subscription{version: r.int16(), owned: make(map[string][]int32)}
	s.topics = slices.Compact(slices.Sorted(slices.Values(r.strs())))
	if r.bad || s.version < 0 {
		return subscription{}, false
	}
	r.nullableBytes()
	if s.version >= subscriptionOwned {
		for range r.count() {
			topic := r.str(false)
			s.owned[topic] = append(s.owned[topic], r.int32s()...)
		}
	}
	if s.version >= subscriptionGeneration {
		r.int32()
	}
	if s.version >= subscriptionRack {
		s.rack = r.str(true)
	}
	return s, !r.bad
}

// nullableBytes skips bytes that may be null.
func (r *reader) nullableBytes() {
	if n := r.int32(); n > 0 {
		r.take(int(n))
	}
}

// byID names partitions by their topics' ids. Topics that are gone are left out.
func (c *Coordinator) byID(lists map[string][]int32) Partitions {
	ids := make(map[TopicID][]int32, len(lists))
	for name, list := range lists {
		if t, ok := c.topics.Topic(name); ok {
			ids[t.ID] = append(ids[t.ID], list...)
		}
	}
	return NewPartitions(ids)
}

// assignedByID reads a classic consumer's assignment; what cannot be read
// assigns nothing.
func (c *Coordinator) assignedByID(assignment []byte) Partitions {
	r := reader{rest: assignment}
	version := r.int16()
	lists := make(map[string][]int32)
	for range r.count() {
		topic := r.str(false)
		lists[topic] = append(lists[topic], r.int32s()...)
	}
	if r.bad || version < 0 {
		return Partitions{}
	}
	return c.byID(lists)
}

// assignmentFor tells a classic consumer what it is assigned, in its own version.
func (c *Coordinator) assignmentFor(m *consumer) []byte {
	s, _ := readSubscription(m.classic.protocols[0].Metadata)
	w := writer{}
	w.int16(min(s.version, subscriptionRack))
	type named struct {
		name string
		list []int32
	}
	var all []named
	for _, id := range m.assigned.TopicIDs() {
		if t, ok := c.topics.TopicByID(id); ok {
			all = append(all, named{t.Name, m.assigned[id]})
		}
	}
	w.count(len(all))
	for _, t := range all {
		w.str(t.name)
		w.int32s(t.list)
	}
	w.int32(-1) // no user data
	return w.b
}
