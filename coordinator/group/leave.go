package group

// LeaveRequest takes members out of a group. An administrator names static
// members by their instance alone.
type LeaveRequest struct {
	Group   string
	Members []Leaver
}

// Leaver is a member that leaves.
type Leaver struct{ Member, Instance string }

// LeaveResponse has one error, or nil, for each of the request's members.
type LeaveResponse struct {
	Err     error
	Members []error
}

// Leave handles a LeaveGroup. The group rebalances once for all who leave.
func (c *Coordinator) Leave(now int64, r LeaveRequest) (LeaveResponse, Effects) {
	if err := c.checkID(r.Group); err != nil {
		return LeaveResponse{Err: err}, Effects{}
	}
	resp := LeaveResponse{Members: make([]error, len(r.Members))}
	g := c.groups[r.Group]
	if g == nil {
		for i := range resp.Members {
			resp.Members[i] = ErrUnknownMember
		}
		return resp, Effects{}
	}
	if g.modern != nil {
		resp = c.leaveClassicMembers(now, g, &r)
		return resp, c.take()
	}
	before := len(g.members)
	for i, l := range r.Members {
		resp.Members[i] = c.leave(g, l)
	}
	if len(g.members) < before {
		c.rebalance(now, g)
	} else {
		c.completeIfAllJoined(now, g)
	}
	c.removeIfEmpty(g)
	return resp, c.take()
}

// leave takes one out, without a rebalance.
func (c *Coordinator) leave(g *group, l Leaver) error {
	if l.Instance == "" {
		if t, ok := g.pending[l.Member]; ok {
			c.timers.Stop(t)
			delete(g.pending, l.Member)
			return nil
		}
	}
	var m *member
	var err error
	if l.Member == "" && l.Instance != "" {
		if m = g.instances[l.Instance]; m == nil {
			err = ErrUnknownMember
		}
	} else {
		m, err = g.member(l.Member, l.Instance)
	}
	if err != nil {
		return err
	}
	c.timers.Stop(&m.session)
	c.failCalls(m, ErrUnknownMember)
	g.remove(m)
	return nil
}
