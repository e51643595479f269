package group

import "fmt"

// consumerLeave takes a member out of its group. A static one that says that it
// will be back keeps what it has until its session ends.
func (c *Coordinator) consumerLeave(now int64, r *ConsumerHeartbeatRequest) (ConsumerHeartbeatResponse, error) {
	g := c.groups[r.Group]
	if g == nil || g.modern == nil {
		return ConsumerHeartbeatResponse{}, notConsumer(g, r.Group)
	}
	m, err := g.modern.member(r.Member, orZero(r.Instance))
	if err != nil {
		return ConsumerHeartbeatResponse{}, err
	}
	resp := ConsumerHeartbeatResponse{Member: r.Member, Epoch: r.Epoch, HeartbeatMs: c.configOf(g.id).HeartbeatMs}
	if r.Epoch == epochLeaveStatic && m.instance != "" {
		c.timers.Stop(&m.rebalanceTimer)
		g.modern.move(m, moved{epochLeaveStatic, m.state, m.assigned, Partitions{}})
		c.appendCurrent(g, m)
		return resp, nil
	}
	c.removeMembers(now, g, m)
	return resp, nil
}

// notConsumer says that a group is not there, or not of the consumer protocol.
func notConsumer(g *group, id string) error {
	if g == nil {
		return NotFound(id)
	}
	return &notFound{fmt.Sprintf("Group %s is not a consumer group.", printable(id))}
}

// printable quotes what a client chose, for a text.
func printable(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "…"
	}
	quoted := fmt.Sprintf("%+q", s)
	return quoted[1 : len(quoted)-1]
}

// removeMembers takes members out for good. Those who stay get what they had.
func (c *Coordinator) removeMembers(now int64, g *group, members ...*consumer) {
	mg := g.modern
	for _, m := range members {
		c.removeMember(mg, g.id, m)
	}
	if n := len(mg.members); n > 0 && mg.classics() == n {
		c.downgrade(now, g)
		return
	}
	c.followTopics(g, c.askers(mg))
	c.raiseEpoch(now, g)
}

// removeMember forgets a member.
func (c *Coordinator) removeMember(mg *modern, groupID string, m *consumer) {
	c.stopTimers(m)
	mg.bytes -= m.size()
	mg.drop(m)
	c.eraseMember(groupID, m.id)
}

func (c *Coordinator) stopTimers(m *consumer) {
	c.timers.Stop(&m.session)
	c.timers.Stop(&m.rebalanceTimer)
}
