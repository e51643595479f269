package group

// reconciled is the next step that leads a member to its target. owned is what
// the member says it owns; nil says nothing, and then it may own all it ever
// was given.
//
// Revoke before assign: while a member owns what it lost it stays in its epoch
// and gets nothing new; and what another holds is not given to it.
func (mg *modern) reconciled(m *consumer, owned Partitions) moved {
	switch {
	case m.state == stable && m.epoch >= mg.assignmentEpoch:
		return m.place()
	case m.state == unrevoked && owns(owned, m.revoking):
		return m.place()
	}
	epoch := m.epoch
	if m.state == unrevoked {
		epoch = min(epoch+1, mg.assignmentEpoch) // it has done all that its epoch asked for
	}
	keep, lose := m.assigned.split(m.target)
	if len(lose) > 0 && owns(owned, lose) {
		return moved{epoch, unrevoked, keep, lose}
	}
	_, get := m.target.split(keep)
	free, taken := get.filter(func(p place) bool {
		h, held := mg.held[p]
		return !held || h.by == m
	})
	to := moved{mg.assignmentEpoch, stable, keep.plus(free), Partitions{}}
	if len(taken) > 0 {
		to.state = unreleased
	}
	return to
}

// owns reports whether a member may own some of these. One that does not say what
// it owns may.
func owns(owned, these Partitions) bool {
	return owned == nil || these.meets(owned)
}

// reconcile takes that step, and puts it into the log.
func (c *Coordinator) reconcile(now int64, g *group, m *consumer, owned Partitions) {
	to := g.modern.reconciled(m, owned)
	if to.equal(m.place()) {
		return
	}
	g.modern.move(m, to)
	c.appendCurrent(g, m)
	if m.classic != nil {
		return // joining and syncing have times of their own
	}
	if m.state == unrevoked {
		c.timers.Set(&m.rebalanceTimer, now+m.rebalanceMs)
	} else {
		c.timers.Stop(&m.rebalanceTimer)
	}
}

// blocked reports whether others still hold all that the member waits for.
func (mg *modern) blocked(m *consumer) bool {
	_, get := m.target.split(m.assigned)
	free, _ := get.filter(func(p place) bool { _, held := mg.held[p]; return !held })
	return len(free) == 0
}
