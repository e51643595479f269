package group

import "slices"

// Classic members are members of a modern group that speak the classic protocol. Their
// generation is their member epoch, there is no leader, and every answer is
// ready at once: they join when they are told to, say what they own, and sync to
// learn what they have.

// joinClassicMember handles a JoinGroup of a modern group with members.
func (c *Coordinator) joinClassicMember(now int64, call CallID, g *group, r *JoinRequest) error {
	mg := g.modern
	s, err := c.validateJoin(mg, r)
	if err != nil {
		return err
	}
	if r.Member == "" {
		r.Member = c.memberID(r)
		if r.Instance == "" && r.RequireKnownID {
			c.reply(call, refusedJoin(r.Member, ErrMemberIDRequired))
			return nil
		}
	} else if before := mg.instances[r.Instance]; before != nil && before.id != r.Member {
		return ErrFencedInstance
	}
	m := c.obtainClassicMember(g, r)
	if m == nil {
		return ErrUnknownMember
	}
	changed := c.updateClassicMember(g, m, r, s)
	if mg.classics() == len(mg.members) {
		c.downgrade(now, g)
		return c.joinAgain(now, call, g, r)
	}
	c.retargetIfDue(now, g, changed)
	c.reconcile(now, g, m, c.byID(s.owned))
	c.resetConsumerSession(g, m, now)
	c.timers.Set(&m.rebalanceTimer, now+m.rebalanceMs) // to sync
	c.reply(call, JoinResponse{
		Generation: m.epoch, ProtocolType: consumerType, Protocol: m.classic.protocols[0].Name, Member: m.id,
	})
	return nil
}

// validateJoin refuses who cannot be a classic member.
func (c *Coordinator) validateJoin(mg *modern, r *JoinRequest) (subscription, error) {
	known := mg.members[r.Member]
	if before := mg.instances[r.Instance]; known == nil && before != nil {
		known = before
	}
	// A member is as large as what it can do: its subscription is in there.
	own := 0
	for _, p := range r.Protocols {
		own += len(p.Name) + len(p.Metadata)
	}
	switch {
	case known == nil && len(mg.members) >= c.cfg.MembersMax:
		return subscription{}, ErrGroupFull
	case mg.bytes+own > c.cfg.GroupBytesMax:
		return subscription{}, ErrGroupFull
	case r.ProtocolType != consumerType || len(r.Protocols) == 0 || len(r.Protocols) > protocolsMax:
		return subscription{}, ErrInconsistentProtocol
	case !mg.sharesProtocol(r.Protocols, known):
		return subscription{}, ErrInconsistentProtocol
	case len(r.Member) > memberIDBytesMax:
		return subscription{}, ErrUnknownMember
	}
	// The broker assigns partitions itself, and has to read what the classic client would only pass on.
	s, ok := readSubscription(r.Protocols[0].Metadata)
	if !ok {
		return subscription{}, ErrInconsistentProtocol
	}
	return s, nil
}

// sharesProtocol reports whether all classic members can do one of these: they may be
// among themselves again some day.
func (mg *modern) sharesProtocol(protocols []Protocol, except *consumer) bool {
	return slices.ContainsFunc(protocols, func(p Protocol) bool {
		for _, m := range mg.members {
			if m != except && m.classic != nil && !slices.ContainsFunc(m.classic.protocols,
				func(q Protocol) bool { return q.Name == p.Name }) {
				return false
			}
		}
		return p.Name != ""
	})
}

// obtainClassicMember finds the member, or makes it. A static one that comes back takes its
// place over.
func (c *Coordinator) obtainClassicMember(g *group, r *JoinRequest) *consumer {
	mg := g.modern
	if m := mg.members[r.Member]; m != nil {
		if m.instance != r.Instance {
			return nil
		}
		return m
	}
	if before := mg.instances[r.Instance]; before != nil {
		return c.takeOver(g, before, r.Member, mg.assignmentEpoch)
	}
	m := c.newConsumer(g, r.Member, r.Instance)
	mg.add(m)
	return m
}

// updateClassicMember notes what a classic member says of itself, and reports whether that changes
// the group's subscriptions.
func (c *Coordinator) updateClassicMember(g *group, m *consumer, r *JoinRequest, s subscription) (subscribes bool) {
	was := *m
	g.modern.bytes -= m.size()
	m.clientID, m.host, m.rack = r.ClientID, r.Host, s.rack
	m.names, m.pattern, m.assignor = s.topics, "", ""
	m.rebalanceMs = r.RebalanceMs
	if m.classic == nil || m.classic.sessionMs != r.SessionMs || !sameProtocols(m.classic.protocols, r.Protocols) {
		m.classic = &classicSide{r.SessionMs, r.Protocols}
	}
	g.modern.bytes += m.size()
	if !m.written || !m.sameSubscription(&was) {
		c.appendMember(g, m)
	}
	return !slices.Equal(m.names, was.names) || m.pattern != was.pattern
}

// classicMember finds the classic member that a request speaks for.
func (mg *modern) classicMember(id, instance string, generation int32) (*consumer, error) {
	m, err := mg.member(id, instance)
	switch {
	case err != nil:
		return nil, err
	case m.classic == nil:
		return nil, ErrUnknownMember
	case generation != m.epoch:
		return nil, ErrIllegalGeneration
	}
	return m, nil
}

// syncClassicMember handles a SyncGroup of a modern group.
func (c *Coordinator) syncClassicMember(now int64, call CallID, g *group, r *SyncRequest) error {
	mg := g.modern
	m, err := mg.classicMember(r.Member, r.Instance, r.Generation)
	if err != nil {
		return err
	}
	protocol := m.classic.protocols[0].Name
	if r.ProtocolType != "" && r.ProtocolType != consumerType || r.Protocol != "" && r.Protocol != protocol {
		return ErrInconsistentProtocol
	}
	c.resetConsumerSession(g, m, now)
	if m.epoch < mg.epoch && m.state != unrevoked {
		c.timers.Set(&m.rebalanceTimer, now+m.rebalanceMs) // to join
		return ErrRebalanceInProgress
	}
	c.timers.Stop(&m.rebalanceTimer)
	c.reply(call, SyncResponse{ProtocolType: consumerType, Protocol: protocol, Assignment: c.assignmentFor(m)})
	return nil
}

// heartbeatClassicMember handles a Heartbeat of a modern group. A classic member that has a step
// to take is told to join.
func (c *Coordinator) heartbeatClassicMember(now int64, g *group, r *HeartbeatRequest) error {
	mg := g.modern
	m, err := mg.classicMember(r.Member, r.Instance, r.Generation)
	if err != nil {
		return err
	}
	c.resetConsumerSession(g, m, now)
	if m.epoch == mg.epoch && (m.state == stable || m.state == unreleased && mg.blocked(m)) {
		return nil
	}
	if !m.rebalanceTimer.Armed() {
		c.timers.Set(&m.rebalanceTimer, now+m.rebalanceMs)
	}
	return ErrRebalanceInProgress
}

// leaveClassicMembers handles a LeaveGroup of a modern group. An administrator may take
// any static member out by its instance alone.
func (c *Coordinator) leaveClassicMembers(now int64, g *group, r *LeaveRequest) LeaveResponse {
	resp := LeaveResponse{Members: make([]error, len(r.Members))}
	var gone []*consumer
	for i, l := range r.Members {
		m, err := g.modern.leaver(l)
		if err == nil && slices.Contains(gone, m) {
			err = ErrUnknownMember
		}
		if resp.Members[i] = err; err == nil {
			gone = append(gone, m)
		}
	}
	if len(gone) > 0 {
		c.removeMembers(now, g, gone...)
	}
	return resp
}

func (mg *modern) leaver(l Leaver) (*consumer, error) {
	if l.Member == "" && l.Instance != "" {
		if m := mg.instances[l.Instance]; m != nil {
			return m, nil
		}
		return nil, ErrUnknownMember
	}
	m, err := mg.member(l.Member, l.Instance)
	if err == nil && m.classic == nil {
		err = ErrUnknownMember
	}
	return m, err
}
