package group

import "slices"

// rebalance begins a new generation, or completes the one that is begun if this
// was what it waited for.
func (c *Coordinator) rebalance(now int64, g *group) {
	if g.state == PreparingRebalance {
		c.completeIfAllJoined(now, g)
		return
	}
	for _, m := range g.members {
		if g.state == CompletingRebalance {
			m.assignment = nil
		}
		c.reply(m.syncing, SyncResponse{Err: ErrRebalanceInProgress})
		m.syncing = 0
	}
	first := g.state == Empty
	g.become(PreparingRebalance, now)
	if first && c.cfg.InitialDelayMs == 0 {
		c.completeJoin(now, g)
		return
	}
	if g.initial = first; g.initial {
		most := max(g.rebalanceMs(), c.cfg.InitialDelayMs)
		g.extended, g.waitMs = false, most-c.cfg.InitialDelayMs
		c.timers.Set(&g.timer, now+c.cfg.InitialDelayMs)
		return
	}
	c.timers.Set(&g.timer, now+g.rebalanceMs())
	c.completeIfAllJoined(now, g)
}

// completeIfAllJoined ends the wait for members when there is none to wait for,
// or nobody who waits. A first rebalance waits out its delay in any case.
func (c *Coordinator) completeIfAllJoined(now int64, g *group) {
	if g.state == PreparingRebalance && (len(g.members) == 0 || !g.initial && g.allJoined()) {
		c.completeJoin(now, g)
	}
}

// phaseOver is the end of the group's timer.
func (c *Coordinator) phaseOver(g *group, now int64) {
	switch {
	case g.state == PreparingRebalance && g.initial && g.extended && g.waitMs > 0:
		// Members still arrive: wait on, but not longer than one rebalance may take.
		wait := min(c.cfg.InitialDelayMs, g.waitMs)
		g.waitMs, g.extended = g.waitMs-wait, false
		c.timers.Set(&g.timer, now+wait)
	case g.state == PreparingRebalance:
		c.completeJoin(now, g)
	case g.state == CompletingRebalance || g.state == Stable:
		c.dropUnsynced(now, g)
	}
}

// completeJoin begins the generation with those who have joined. Static members
// keep their place until their session ends.
func (c *Coordinator) completeJoin(now int64, g *group) {
	g.initial = false
	for _, m := range slices.Clone(g.members) {
		if m.joining == 0 && m.instance == "" {
			c.timers.Stop(&m.session)
			g.remove(m)
		}
	}
	if len(g.members) > 0 && !g.electJoined() {
		c.timers.Set(&g.timer, now+max(g.rebalanceMs(), 1)) // static members alone, none of them here yet
		return
	}
	c.timers.Stop(&g.timer)
	g.generation = nextGeneration(g.generation)
	if len(g.members) == 0 {
		c.completeEmpty(now, g)
		return
	}
	g.protocol = g.choose()
	g.topics = g.subscriptions()
	g.become(CompletingRebalance, now)
	for _, m := range g.members {
		m.unsynced = true
		if m.joining == 0 {
			continue // a static member that is away
		}
		c.reply(m.joining, g.joined(m))
		m.joining, m.fresh = 0, false
		c.resetSession(m, now)
	}
	c.timers.Set(&g.timer, now+max(g.rebalanceMs(), 1))
}

// nextGeneration counts up and stays positive.
func nextGeneration(g int32) int32 { return (g + 1) & 0x7fffffff }

func (c *Coordinator) completeEmpty(now int64, g *group) {
	g.protocol, g.leader, g.topics = "", "", nil
	g.become(Empty, now)
	c.appendGroup(g)
}

// electJoined makes sure that the leader is one of those who have joined.
func (g *group) electJoined() bool {
	if m := g.byID[g.leader]; m != nil && m.joining != 0 {
		return true
	}
	i := slices.IndexFunc(g.members, func(m *member) bool { return m.joining != 0 })
	if i >= 0 {
		g.leader = g.members[i].id
	}
	return i >= 0
}

// resetSession begins the member's session anew.
func (c *Coordinator) resetSession(m *member, now int64) { c.timers.Set(&m.session, now+m.sessionMs) }

// sessionOver removes a member that was not heard of. One that waits for the
// others is heard of by that; but a new one may have gone before its first
// rebalance, and has a longer time instead.
func (c *Coordinator) sessionOver(now int64, g *group, m *member) {
	if !m.fresh && (m.joining != 0 || m.syncing != 0) {
		c.resetSession(m, now)
		return
	}
	c.expel(now, g, m)
	c.removeIfEmpty(g)
}

// expel removes a member and has the group rebalance without it.
func (c *Coordinator) expel(now int64, g *group, m *member) {
	c.timers.Stop(&m.session)
	c.failCalls(m, ErrUnknownMember)
	g.remove(m)
	c.rebalance(now, g)
}

// dropUnsynced removes members that joined the generation and did not ask for
// their assignment in time.
func (c *Coordinator) dropUnsynced(now int64, g *group) {
	dropped := false
	for _, m := range slices.Clone(g.members) {
		if m.unsynced {
			c.timers.Stop(&m.session)
			c.failCalls(m, ErrUnknownMember)
			g.remove(m)
			dropped = true
		}
	}
	if dropped {
		c.rebalance(now, g)
	}
}
