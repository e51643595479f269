package group

import (
	"maps"
	"slices"
)

// The records of a group of the consumer protocol. Keys are as those of classic
// groups; values have a version, 0, and Kafka's compact layout: the length of a
// string or array is a varint that counts from one, 0 is null, and every struct
// ends in tags.
//
//	3 │ group            epoch int32
//	4 │ group            topics array of: id uuid │ name string │ partitions int32 │ racks array
//	5 │ group │ member   instance? │ rack? │ client id │ client host │ topics array │ pattern?
//	                     │ rebalance ms int32 │ assignor? │ tag 0: session ms int32 │ protocols array
//	6 │ group            epoch of the target int32
//	7 │ group │ member   target: array of: id uuid │ partitions array of int32
//	8 │ group │ member   epoch int32 │ epoch before int32 │ state int8 │ assigned │ to revoke,
//	                     both arrays as in 7, with tag 0: the epochs since which it may commit
//
// Tag 0 of 5 is there for members that speak the classic protocol.
const consumerVersion = 0

func key(kind int16, parts ...string) []byte {
	w := writer{}
	w.int16(kind)
	for _, p := range parts {
		w.str(p)
	}
	return w.b
}

func consumerValue() writer {
	w := writer{compact: true}
	w.int16(consumerVersion)
	return w
}

func (c *Coordinator) appendEpoch(g *group) {
	w := consumerValue()
	w.int32(g.modern.epoch)
	w.noTags()
	g.written = true
	c.append(Record{key(keyEpoch, g.id), w.b})
}

func (c *Coordinator) appendTargetEpoch(g *group) {
	w := consumerValue()
	w.int32(g.modern.assignmentEpoch)
	w.noTags()
	c.append(Record{key(keyTargetEpoch, g.id), w.b})
}

func (c *Coordinator) appendTopics(g *group) {
	w := consumerValue()
	w.count(len(g.modern.topics))
	for _, name := range slices.Sorted(maps.Keys(g.modern.topics)) {
		t := g.modern.topics[name]
		w.b = append(w.b, t.ID[:]...)
		w.str(t.Name)
		w.int32(t.Partitions)
		w.count(0)
		w.noTags()
	}
	w.noTags()
	c.append(Record{key(keyTopics, g.id), w.b})
}

func (c *Coordinator) appendMember(g *group, m *consumer) {
	w := consumerValue()
	w.nullable(m.instance)
	w.nullable(m.rack)
	w.str(m.clientID)
	w.str(m.host)
	w.strs(m.names)
	w.nullable(m.pattern)
	w.int32(int32(m.rebalanceMs))
	w.nullable(m.assignor)
	if m.classic == nil {
		w.noTags()
	} else {
		w.tag0(m.classic.encode())
	}
	m.written = true
	c.append(Record{key(keyMember, g.id, m.id), w.b})
}

// tag0 ends a struct with one tag, 0.
func (w *writer) tag0(b []byte) {
	w.uvarint(1)
	w.uvarint(0)
	w.uvarint(len(b))
	w.b = append(w.b, b...)
}

// encode is the classic side as a struct that may be null, and is not.
func (s *classicSide) encode() []byte {
	w := writer{compact: true}
	w.b = append(w.b, 1)
	w.int32(int32(s.sessionMs))
	w.count(len(s.protocols))
	for _, p := range s.protocols {
		w.str(p.Name)
		w.bytes(p.Metadata)
		w.noTags()
	}
	w.noTags()
	return w.b
}

func (c *Coordinator) appendTarget(g *group, m *consumer) {
	w := consumerValue()
	w.partitions(m.target, nil)
	w.noTags()
	c.append(Record{key(keyTarget, g.id, m.id), w.b})
}

func (c *Coordinator) appendCurrent(g *group, m *consumer) {
	since := func(p place) int32 { return g.modern.held[p].since }
	w := consumerValue()
	w.int32(m.epoch)
	w.int32(m.previous)
	w.b = append(w.b, byte(m.state))
	w.partitions(m.assigned, since)
	w.partitions(m.revoking, since)
	w.noTags()
	c.append(Record{key(keyCurrent, g.id, m.id), w.b})
}

// partitions writes an array of topics with their partitions.
func (w *writer) partitions(p Partitions, since func(place) int32) {
	w.count(len(p))
	for _, id := range p.TopicIDs() {
		w.b = append(w.b, id[:]...)
		w.int32s(p[id])
		if since == nil {
			w.noTags()
			continue
		}
		epochs := writer{compact: true}
		epochs.count(len(p[id]))
		for _, i := range p[id] {
			epochs.int32(since(place{id, i}))
		}
		w.tag0(epochs.b)
	}
}

// eraseMember writes that a member is gone.
func (c *Coordinator) eraseMember(groupID, member string) {
	for _, kind := range []int16{keyCurrent, keyTarget, keyMember} {
		c.append(Record{Key: key(kind, groupID, member)})
	}
}

// eraseModern writes that nothing of the group is left but its offsets.
func (c *Coordinator) eraseModern(g *group) {
	for _, m := range g.modern.sorted() {
		c.eraseMember(g.id, m.id)
	}
	if g.written {
		for _, kind := range []int16{keyTargetEpoch, keyTopics, keyEpoch} {
			c.append(Record{Key: key(kind, g.id)})
		}
	}
}
