package group

import "slices"

// SyncRequest asks for the member's assignment, and, from the leader, brings
// everybody's. Protocol and ProtocolType are checked when they are not empty.
type SyncRequest struct {
	Group, Member, Instance string
	Generation              int32
	ProtocolType, Protocol  string
	Assignments             []Assignment
}

// Assignment is what the leader gives to a member.
type Assignment struct {
	Member     string
	Assignment []byte
}

// SyncResponse brings the member its assignment.
type SyncResponse struct {
	Err                    error
	ProtocolType, Protocol string
	Assignment             []byte
}

// Sync handles a SyncGroup. The answer comes with these Effects or later ones.
func (c *Coordinator) Sync(now int64, call CallID, r SyncRequest) Effects {
	if err := c.sync(now, call, &r); err != nil {
		c.reply(call, SyncResponse{Err: err})
	}
	return c.take()
}

func (c *Coordinator) sync(now int64, call CallID, r *SyncRequest) error {
	if g := c.groups[r.Group]; g != nil && g.modern != nil {
		return c.syncClassicMember(now, call, g, r)
	}
	g, m, err := c.find(r.Group, r.Member, r.Instance)
	switch {
	case err != nil:
		return err
	case r.Generation != g.generation:
		return ErrIllegalGeneration
	case r.ProtocolType != "" && r.ProtocolType != g.protocolType, r.Protocol != "" && r.Protocol != g.protocol:
		return ErrInconsistentProtocol
	}
	switch g.state {
	case PreparingRebalance:
		return ErrRebalanceInProgress
	case CompletingRebalance:
		c.reply(m.syncing, SyncResponse{Err: ErrRebalanceInProgress}) // of a connection that was lost
		m.syncing = call
		c.resetSession(m, now)
		c.synced(g, m)
		if m.id == g.leader {
			if err := c.assign(now, g, r.Assignments); err != nil {
				m.syncing = 0
				return err
			}
		}
	case Stable:
		c.synced(g, m)
		c.resetSession(m, now)
		c.reply(call, g.synced(m))
	default:
		return ErrUnknownMember
	}
	return nil
}

// find returns a member and its group.
func (c *Coordinator) find(groupID, memberID, instance string) (*group, *member, error) {
	if err := c.checkID(groupID); err != nil {
		return nil, nil, err
	}
	g := c.groups[groupID]
	if g == nil {
		return nil, nil, ErrUnknownMember
	}
	m, err := g.member(memberID, instance)
	return g, m, err
}

// synced notes that the member has asked; when all have, nobody is waited for.
func (c *Coordinator) synced(g *group, m *member) {
	m.unsynced = false
	if !slices.ContainsFunc(g.members, func(m *member) bool { return m.unsynced }) {
		c.timers.Stop(&g.timer)
	}
}

// assign makes the leader's assignment the group's. Who is not named gets nothing.
func (c *Coordinator) assign(now int64, g *group, assignments []Assignment) error {
	size := g.bytes()
	for _, a := range assignments {
		size += len(a.Assignment)
	}
	if size > 2*c.cfg.GroupBytesMax {
		return ErrGroupFull
	}
	for _, m := range g.members {
		m.assignment = []byte{}
	}
	for _, a := range assignments {
		if m := g.byID[a.Member]; m != nil {
			m.assignment = a.Assignment
		}
	}
	g.become(Stable, now)
	c.appendGroup(g)
	for _, m := range g.members {
		if m.syncing != 0 {
			c.reply(m.syncing, g.synced(m))
			m.syncing = 0
			c.resetSession(m, now)
		}
	}
	return nil
}

func (g *group) synced(m *member) SyncResponse {
	return SyncResponse{ProtocolType: g.protocolType, Protocol: g.protocol, Assignment: m.assignment}
}
