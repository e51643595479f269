package group

import "fmt"

// replayConsumer folds a record of a group of the consumer protocol.
func (c *Coordinator) replayConsumer(kind int16, k *reader, value []byte) error {
	id, member := k.str(false), ""
	if kind == keyMember || kind == keyTarget || kind == keyCurrent {
		member = k.str(false)
	}
	if k.bad {
		return fmt.Errorf("%w: key of kind %d", ErrBadRecord, kind)
	}
	if value == nil {
		c.replayGone(kind, id, member)
		return nil
	}
	g := c.obtainReplayed(id)
	if g.modern == nil {
		// The record of a classic group is a later one's, or was erased before.
		c.becomeModern(g)
	}
	r := reader{rest: value, compact: true}
	version := r.int16()
	if r.bad || version != consumerVersion {
		return fmt.Errorf("%w: kind %d of group %q has version %d", ErrBadRecord, kind, id, version)
	}
	c.replayModern(kind, g, member, &r)
	r.tags()
	if r.bad || len(r.rest) > 0 {
		return fmt.Errorf("%w: kind %d of group %q", ErrBadRecord, kind, id)
	}
	return nil
}

// replayModern folds a value, up to its tags at the end.
func (c *Coordinator) replayModern(kind int16, g *group, member string, r *reader) {
	mg := g.modern
	switch kind {
	case keyEpoch:
		mg.epoch, g.written = r.int32(), true
	case keyTargetEpoch:
		mg.assignmentEpoch = r.int32()
	case keyTopics:
		mg.topics = r.topics()
	case keyMember:
		c.readConsumer(g, c.replayed(g, member), r)
	case keyTarget:
		m := c.replayed(g, member)
		m.target, _ = r.partitions()
	case keyCurrent:
		c.readCurrent(mg, c.replayed(g, member), r)
	}
}

// replayed finds a member, or makes one: after compaction a member's records
// come in any order.
func (c *Coordinator) replayed(g *group, id string) *consumer {
	m := g.modern.members[id]
	if m == nil {
		m = c.newConsumer(g, id, "")
		g.modern.add(m)
	}
	return m
}

func (r *reader) topics() map[string]Topic {
	all := make(map[string]Topic)
	for range r.count() {
		t := Topic{ID: r.uuid(), Name: r.str(false), Partitions: r.int32()}
		for range r.count() {
			r.int32()
			r.strs()
			r.tags()
		}
		r.tags()
		all[t.Name] = t
	}
	return all
}

func (c *Coordinator) readConsumer(g *group, m *consumer, r *reader) {
	mg := g.modern
	if m.written {
		mg.bytes -= m.size()
	}
	m.instance, m.rack = r.str(true), r.str(true)
	m.clientID, m.host, m.names, m.pattern = r.str(false), r.str(false), r.strs(), r.str(true)
	m.rebalanceMs, m.assignor = int64(r.int32()), r.str(true)
	m.classic = nil
	// The last tags are read by who called; this one is looked at ahead of it.
	ahead := *r
	ahead.tagged(func(tag int, in *reader) {
		if tag == 0 && in.int8() > 0 {
			m.classic = readClassicSide(in)
		}
	})
	m.written = true
	mg.bytes += m.size()
	mg.add(m)
}

func readClassicSide(r *reader) *classicSide {
	s := &classicSide{sessionMs: int64(r.int32())}
	for range r.count() {
		s.protocols = append(s.protocols, Protocol{Name: r.str(false), Metadata: r.bytes()})
		r.tags()
	}
	r.tags()
	return s
}

func (c *Coordinator) readCurrent(mg *modern, m *consumer, r *reader) {
	to := moved{epoch: r.int32()}
	previous := r.int32()
	to.state = memberState(r.int8())
	var assignedSince, revokingSince map[place]int32
	to.assigned, assignedSince = r.partitions()
	to.revoking, revokingSince = r.partitions()
	if r.bad {
		return
	}
	mg.move(m, to)
	m.previous = previous
	for _, since := range []map[place]int32{assignedSince, revokingSince} {
		for p, epoch := range since {
			mg.held[p] = hold{m, epoch}
		}
	}
}

// partitions reads what writer.partitions wrote.
func (r *reader) partitions() (Partitions, map[place]int32) {
	lists := make(map[TopicID][]int32)
	since := make(map[place]int32)
	for range r.count() {
		id := TopicID(r.uuid())
		list := r.int32s()
		lists[id] = append(lists[id], list...)
		r.tagged(func(tag int, in *reader) {
			if tag != 0 {
				return
			}
			for i, epoch := range in.int32s() {
				if i < len(list) {
					since[place{id, list[i]}] = epoch
				}
			}
		})
	}
	return NewPartitions(lists), since
}

// replayGone folds a tombstone.
func (c *Coordinator) replayGone(kind int16, id, member string) {
	g := c.groups[id]
	if g == nil || g.modern == nil {
		return
	}
	mg := g.modern
	m := mg.members[member]
	switch {
	case kind == keyEpoch:
		c.replayTombstone(id)
	case kind == keyTopics:
		mg.topics = make(map[string]Topic)
	case kind == keyTargetEpoch:
		mg.assignmentEpoch = 0
		// The others are of one member, and it is gone already.
	case m == nil:
	case kind == keyTarget:
		m.target = Partitions{}
	case kind == keyCurrent:
		mg.move(m, moved{assigned: Partitions{}, revoking: Partitions{}})
	case kind == keyMember:
		// Its size was counted when its record was folded.
		if m.written {
			mg.bytes -= m.size()
		}
		mg.drop(m)
	}
}

// startModern begins the sessions of a group that was replayed.
func (c *Coordinator) startModern(now int64, g *group) {
	for _, m := range g.modern.sorted() {
		if !m.written {
			g.modern.drop(m) // of a newer kind of record, or damaged by hand
			continue
		}
		c.resetConsumerSession(g, m, now)
		if m.state == unrevoked {
			c.timers.Set(&m.rebalanceTimer, now+m.rebalanceMs)
		}
	}
}
