package group

import (
	"fmt"
	"math"
)

// Replay folds one record of the log into the state. A record of a kind that is
// not known, which a newer broker may have written, is passed over; one that
// cannot be read is ErrBadRecord.
func (c *Coordinator) Replay(key, value []byte) error { return c.replay(key, value, nil) }

// ReplayInTransaction folds a record of a producer's transaction. Its marker comes as
// EndTransaction.
func (c *Coordinator) ReplayInTransaction(by Producer, key, value []byte) error {
	return c.replay(key, value, &by)
}

// replay folds a record that belongs to a transaction, or to none. Only offsets are
// written in transactions.
func (c *Coordinator) replay(key, value []byte, by *Producer) error {
	k := reader{rest: key}
	switch version := k.int16(); {
	case k.bad || version < 0:
		return fmt.Errorf("%w: key %x", ErrBadRecord, key)
	case version <= keyOffsetMax:
		return c.replayOffset(&k, value, by)
	case by != nil:
		return nil
	case version == keyGroup:
		return c.replayGroup(&k, value)
	case version <= keyCurrent:
		return c.replayConsumer(version, &k, value)
	}
	return nil
}

func (c *Coordinator) replayOffset(k *reader, value []byte, by *Producer) error {
	groupID := k.str(false)
	tp := TopicPartition{k.str(false), k.int32()}
	if k.bad {
		return fmt.Errorf("%w: key of an offset", ErrBadRecord)
	}
	if value == nil {
		if g := c.groups[groupID]; g != nil && by == nil {
			g.supersede(tp, math.MaxUint64)
			delete(g.offsets, tp)
			c.removeIfEmpty(g)
		}
		return nil
	}
	o, ok := readOffset(value)
	if !ok {
		return fmt.Errorf("%w: offset of group %q for %s-%d", ErrBadRecord, groupID, tp.Topic, tp.Partition)
	}
	g := c.obtainReplayed(groupID)
	if by != nil {
		c.putUndecided(by.ID, g, tp, o)
		return nil
	}
	g.supersede(tp, math.MaxUint64)
	g.put(tp, o)
	return nil
}

// obtainReplayed is obtain without the limit: what is in the log was admitted once.
func (c *Coordinator) obtainReplayed(id string) *group {
	g := c.groups[id]
	if g == nil {
		g = newGroup(id, 0)
		g.timer.Fire = func(now int64) { c.phaseOver(g, now) }
		c.groups[id] = g
	}
	return g
}

func readOffset(value []byte) (Offset, bool) {
	r := reader{rest: value}
	version := r.int16()
	if version < 0 || version > offsetCompact {
		return Offset{}, false
	}
	r.compact = version >= offsetCompact
	o := Offset{Offset: r.int64(), LeaderEpoch: -1, ExpireMs: -1}
	if version >= offsetWritten {
		o.LeaderEpoch = r.int32()
	}
	o.Metadata, o.CommitMs = r.str(false), r.int64()
	if version == offsetExpires {
		o.ExpireMs = r.int64()
	}
	r.tags()
	return o, !r.bad && len(r.rest) == 0
}

func (c *Coordinator) replayGroup(k *reader, value []byte) error {
	id := k.str(false)
	if k.bad {
		return fmt.Errorf("%w: key of a group", ErrBadRecord)
	}
	if value == nil {
		if g := c.groups[id]; g != nil && g.modern == nil {
			c.replayTombstone(id)
		}
		return nil
	}
	g := newGroup(id, 0)
	if !c.readGroup(g, value) {
		return fmt.Errorf("%w: group %q", ErrBadRecord, id)
	}
	if old := c.groups[id]; old != nil {
		g.offsets, g.undecided = old.offsets, old.undecided
	}
	g.timer.Fire = func(now int64) { c.phaseOver(g, now) }
	g.written = true
	g.topics = g.subscriptions()
	c.groups[id] = g
	return nil
}

// replayTombstone folds a group's tombstone: offsets that are left make a group without
// members again.
func (c *Coordinator) replayTombstone(id string) {
	old := c.groups[id]
	if old == nil {
		return
	}
	delete(c.groups, id)
	if len(old.offsets) > 0 || len(old.undecided) > 0 {
		g := c.obtainReplayed(id)
		g.offsets, g.undecided = old.offsets, old.undecided
	}
}

func (c *Coordinator) readGroup(g *group, value []byte) bool {
	r := reader{rest: value}
	version := r.int16()
	if version < 0 || version > groupCompact {
		return false
	}
	r.compact = version >= groupCompact
	g.protocolType, g.generation = r.str(false), r.int32()
	g.protocol = r.str(true)
	leader := r.str(true)
	if version >= groupStateSince {
		g.stateSinceMs = max(r.int64(), 0)
	}
	for range r.count() {
		m := readMember(&r, version, g.protocol)
		if r.bad || g.byID[m.id] != nil {
			return false
		}
		m.session.Fire = func(now int64) { c.sessionOver(now, g, m) }
		g.add(m)
	}
	if len(g.members) > 0 {
		g.state, g.leader = Stable, leader
	}
	r.tags()
	return !r.bad && len(r.rest) == 0
}

func readMember(r *reader, version int16, protocol string) *member {
	m := &member{id: r.str(false)}
	if version >= groupWritten {
		m.instance = r.str(true)
	}
	m.clientID, m.host = r.str(false), r.str(false)
	if version >= groupRebalance {
		m.rebalanceMs = int64(r.int32())
	}
	m.sessionMs = int64(r.int32())
	if version < groupRebalance {
		m.rebalanceMs = m.sessionMs
	}
	m.protocols = []Protocol{{protocol, r.bytes()}}
	m.assignment = r.bytes()
	r.tags()
	return m
}
