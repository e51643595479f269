package group

// expireGroupsMax bounds the groups that one run looks at before others get their turn.
const expireGroupsMax = 1000

// expireGroups erases offsets whose retention is over, and groups that nothing is left
// of. It goes over the groups in pieces.
func (c *Coordinator) expireGroups(now int64) {
	if len(c.expiry) == 0 {
		c.expiry = c.sorted()
	}
	n := min(expireGroupsMax, len(c.expiry))
	for _, id := range c.expiry[:n] {
		if g := c.groups[id]; g != nil {
			c.expire(now, g)
		}
	}
	if c.expiry = c.expiry[n:]; len(c.expiry) > 0 {
		c.timers.Set(&c.cleanup, now+1)
		return
	}
	c.expiry = nil
	c.timers.Set(&c.cleanup, now+c.cfg.RetentionCheckMs)
}

func (c *Coordinator) expire(now int64, g *group) {
	for _, tp := range g.committed() {
		if !g.isUndecided(tp) && g.expired(tp.Topic, g.offsets[tp], now, c.cfg.RetentionMs) {
			c.erase(g, tp)
		}
	}
	if g.status() == Empty && len(g.offsets) == 0 && len(g.pending) == 0 && len(g.undecided) == 0 {
		c.end(g)
	}
}

// expired reports whether an offset has been of no use for the retention time:
// since its group became empty, or, where members are there but do not read the
// topic or where there never are members, since the commit (KIP-211).
func (g *group) expired(topic string, o Offset, now, retentionMs int64) bool {
	if state := g.status(); state != Empty && (g.modern == nil && state != Stable || g.reads(topic)) {
		return false
	}
	if o.ExpireMs >= 0 {
		return now >= o.ExpireMs
	}
	since := o.CommitMs
	if g.modern == nil && g.state == Empty && g.protocolType != "" {
		since = max(since, g.stateSinceMs)
	}
	return now-since >= retentionMs
}

// end deletes a group, in the log too.
func (c *Coordinator) end(g *group) {
	for _, tp := range g.committed() {
		c.erase(g, tp)
	}
	switch {
	case g.modern != nil:
		c.eraseModern(g)
	case g.written:
		c.append(Record{Key: groupKey(g.id)})
	}
	c.removeGroup(g)
}

// Delete handles a DeleteGroups for one group. One that an open transaction has
// offsets for stays: the commit would lose them.
func (c *Coordinator) Delete(groupID string) (Effects, error) {
	g := c.groups[groupID]
	switch {
	case g == nil:
		return Effects{}, NotFound(groupID)
	case g.status() != Empty || len(g.pending) > 0 || len(g.undecided) > 0:
		return Effects{}, ErrNonEmptyGroup
	}
	c.end(g)
	return c.take(), nil
}
