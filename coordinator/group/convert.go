package group

import "slices"

// A group changes its protocol while it runs. It becomes a modern one when the
// first member comes that speaks the consumer protocol, and a classic one again
// when the last such member leaves. In between, members of both kinds share the
// partitions; each keeps what it has when the group changes.

// modernGroup finds a group of the consumer protocol. For a member that joins it
// makes one, or turns a classic one into it.
func (c *Coordinator) modernGroup(now int64, id string, join bool) (*group, error) {
	g := c.groups[id]
	if g != nil && g.modern != nil {
		return g, nil
	}
	if !join || g != nil && !g.canUpgrade() {
		return nil, notConsumer(g, id)
	}
	g, err := c.obtain(id, now)
	if err != nil {
		return nil, err
	}
	c.upgrade(now, g)
	return g, nil
}

// canUpgrade reports whether the members, if any, are consumers whose
// subscriptions can be read.
func (g *group) canUpgrade() bool {
	if len(g.members) == 0 {
		return true
	}
	return g.protocolType == consumerType && !slices.ContainsFunc(g.members, func(m *member) bool {
		_, ok := readSubscription(m.protocols[0].Metadata)
		return !ok
	})
}

// becomeModern drops what a group has as a classic one.
func (c *Coordinator) becomeModern(g *group) {
	c.timers.Stop(&g.timer)
	for _, m := range g.members {
		c.timers.Stop(&m.session)
	}
	for _, t := range g.pending {
		c.timers.Stop(t)
	}
	g.state, g.stateSinceMs, g.generation, g.written = Empty, 0, 0, false
	g.protocolType, g.protocol, g.leader, g.topics = consumerType, "", "", nil
	g.members, g.byID, g.instances, g.pending = nil, nil, nil, nil
	g.modern = newModern()
}

// upgrade makes a classic group a modern one, whose epoch goes on from the
// generation. Members that wait for the others are told to come again.
func (c *Coordinator) upgrade(now int64, g *group) {
	for _, m := range g.members {
		c.failCalls(m, ErrRebalanceInProgress)
	}
	if g.written {
		c.append(Record{Key: groupKey(g.id)})
	}
	generation, members := g.generation, g.members
	metadata := make([][]byte, len(members))
	for i, m := range members {
		if metadata[i] = m.metadata(g.protocol); metadata[i] == nil {
			metadata[i] = m.protocols[0].Metadata
		}
	}
	c.becomeModern(g)
	if len(members) == 0 {
		return
	}
	mg := g.modern
	mg.epoch, mg.assignmentEpoch = generation, generation
	for i, old := range members {
		m := c.newConsumer(g, old.id, old.instance)
		m.clientID, m.host, m.rebalanceMs = old.clientID, old.host, old.rebalanceMs
		m.classic = &classicSide{old.sessionMs, old.protocols}
		s, _ := readSubscription(metadata[i])
		m.names = s.topics
		mg.bytes += m.size()
		mg.add(m)
		m.target, _ = c.assignedByID(old.assignment).filter(func(p place) bool { _, held := mg.held[p]; return !held })
		mg.move(m, moved{generation, stable, m.target, Partitions{}})
		m.previous = generation
		c.resetConsumerSession(g, m, now)
	}
	c.writeModern(g)
}

// writeModern puts all of the group into the log.
func (c *Coordinator) writeModern(g *group) {
	members := g.modern.sorted()
	for _, m := range members {
		c.appendMember(g, m)
	}
	c.followTopics(g, c.askers(g.modern))
	c.appendEpoch(g)
	for _, m := range members {
		c.appendTarget(g, m)
	}
	c.appendTargetEpoch(g)
	for _, m := range members {
		c.appendCurrent(g, m)
	}
}

// downgrade makes a modern group, whose members all speak the classic protocol,
// a classic one, and has it rebalance.
func (c *Coordinator) downgrade(now int64, g *group) {
	c.eraseModern(g)
	mg := g.modern
	g.modern = nil
	g.protocolType, g.generation, g.written = consumerType, mg.epoch, false
	for _, old := range mg.sorted() {
		c.stopTimers(old)
		m := &member{
			id: old.id, instance: old.instance, clientID: old.clientID, host: old.host,
			sessionMs: old.classic.sessionMs, rebalanceMs: old.rebalanceMs, protocols: old.classic.protocols,
			assignment: c.assignmentFor(old),
		}
		m.session.Fire = func(now int64) { c.sessionOver(now, g, m) }
		g.add(m)
		c.resetSession(m, now)
	}
	g.protocol = g.choose()
	g.topics = g.subscriptions()
	g.state, g.stateSinceMs = Stable, now
	c.appendGroup(g)
	c.rebalance(now, g)
}

// dissolve makes a modern group without members a blank one: what comes next
// decides which protocol it is of.
func (c *Coordinator) dissolve(g *group) {
	c.eraseModern(g)
	g.modern, g.written, g.protocolType = nil, false, ""
}

// forgetIfUnused takes back that a modern group was made for a member that was
// then refused.
func (c *Coordinator) forgetIfUnused(g *group) {
	if len(g.modern.members) == 0 && !g.written {
		g.modern, g.protocolType = nil, ""
		c.removeIfEmpty(g)
	}
}
