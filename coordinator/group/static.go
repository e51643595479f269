package group

// replace gives the place of a static member to one that came back without its
// member id: a process that was started again (KIP-345). The old one is fenced.
// A stable group goes on in its generation if the protocol stays.
func (c *Coordinator) replace(now int64, call CallID, g *group, m *member, id string, r *JoinRequest) {
	c.failCalls(m, ErrFencedInstance)
	wasLeader, oldID := g.leader == m.id, m.id
	g.rename(m, id)
	m.protocols, m.sessionMs, m.rebalanceMs = r.Protocols, r.SessionMs, r.RebalanceMs
	m.clientID, m.host = r.ClientID, r.Host
	if g.state != Stable || g.choose() != g.protocol {
		c.wait(now, call, m, r)
		c.rebalance(now, g)
		return
	}
	c.resetSession(m, now)
	g.topics = g.subscriptions()
	c.appendGroup(g)
	resp := g.joined(m)
	if wasLeader && r.CanSkipAssignment {
		// It leads, sees everybody, and must not assign anew (KIP-814).
		resp.SkipAssignment, resp.Members = true, g.joinedMembers()
	} else if wasLeader {
		// An older client would assign anew if it were told that it leads.
		resp.Leader = oldID
	}
	c.reply(call, resp)
}
