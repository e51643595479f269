package group

import "slices"

// Guests are members of a modern group that speak the classic protocol. Their
// generation is their member epoch, there is no leader, and every answer is
// ready at once: they join when they are told to, say what they own, and sync to
// learn what they have.

// guestJoin handles a JoinGroup of a modern group with members.
func (c *Coordinator) guestJoin(now int64, call CallID, g *group, r *JoinRequest) error {
	mg := g.modern
	s, err := c.welcome(mg, r)
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
	m := c.guest(g, r)
	if m == nil {
		return ErrUnknownMember
	}
	changed := c.hearGuest(g, m, r, s)
	if mg.classics() == len(mg.members) {
		c.downgrade(now, g)
		return c.joinAgain(now, call, g, r)
	}
	c.retargetIfDue(now, g, changed)
	c.reconcile(now, g, m, c.byID(s.owned))
	c.touchConsumer(g, m, now)
	c.timers.Set(&m.patience, now+m.rebalanceMs) // to sync
	c.reply(call, JoinResponse{
		Generation: m.epoch, ProtocolType: consumerType, Protocol: m.classic.protocols[0].Name, Member: m.id,
	})
	return nil
}

// welcome refuses who cannot be a guest.
func (c *Coordinator) welcome(mg *modern, r *JoinRequest) (claim, error) {
	known := mg.members[r.Member]
	if before := mg.instances[r.Instance]; known == nil && before != nil {
		known = before
	}
	own := 0
	for _, p := range r.Protocols {
		own += len(p.Name) + len(p.Metadata)
	}
	switch {
	case known == nil && len(mg.members) >= c.cfg.MembersMax:
		return claim{}, ErrGroupFull
	case mg.bytes+own > c.cfg.GroupBytesMax:
		return claim{}, ErrGroupFull
	case r.ProtocolType != consumerType || len(r.Protocols) == 0 || len(r.Protocols) > protocolsMax:
		return claim{}, ErrInconsistentProtocol
	case !mg.sharesProtocol(r.Protocols, known):
		return claim{}, ErrInconsistentProtocol
	case len(r.Member) > memberIDBytesMax:
		return claim{}, ErrUnknownMember
	}
	s, ok := readClaim(r.Protocols[0].Metadata)
	if !ok {
		return claim{}, ErrInconsistentProtocol
	}
	return s, nil
}

// sharesProtocol reports whether all guests can do one of these: they may be
// among themselves again some day.
func (mg *modern) sharesProtocol(protocols []Protocol, except *consumer) bool {
	return slices.ContainsFunc(protocols, func(p Protocol) bool {
		for _, m := range mg.members {
			if m != except && m.classic != nil && !slices.ContainsFunc(m.classic.protocols, func(q Protocol) bool { return q.Name == p.Name }) {
				return false
			}
		}
		return p.Name != ""
	})
}

// guest finds the member, or makes it. A static one that comes back takes its
// place over.
func (c *Coordinator) guest(g *group, r *JoinRequest) *consumer {
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

// hearGuest notes what a guest says of itself, and reports whether that changes
// the group's subscriptions.
func (c *Coordinator) hearGuest(g *group, m *consumer, r *JoinRequest, s claim) (subscribes bool) {
	was := *m
	g.modern.bytes -= m.size()
	m.clientID, m.host, m.rack = r.ClientID, r.Host, s.rack
	m.names, m.pattern, m.assignor = s.topics, "", ""
	m.rebalanceMs = r.RebalanceMs
	if m.classic == nil || m.classic.sessionMs != r.SessionMs || !sameProtocols(m.classic.protocols, r.Protocols) {
		m.classic = &classicSide{r.SessionMs, r.Protocols}
	}
	g.modern.bytes += m.size()
	if !m.written || !m.saysSame(&was) {
		c.appendMember(g, m)
	}
	return !slices.Equal(m.names, was.names) || m.pattern != was.pattern
}

// guestMember finds the guest that a request speaks for.
func (mg *modern) guestMember(id, instance string, generation int32) (*consumer, error) {
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

// guestSync handles a SyncGroup of a modern group.
func (c *Coordinator) guestSync(now int64, call CallID, g *group, r *SyncRequest) error {
	mg := g.modern
	m, err := mg.guestMember(r.Member, r.Instance, r.Generation)
	if err != nil {
		return err
	}
	protocol := m.classic.protocols[0].Name
	if r.ProtocolType != "" && r.ProtocolType != consumerType || r.Protocol != "" && r.Protocol != protocol {
		return ErrInconsistentProtocol
	}
	c.touchConsumer(g, m, now)
	if m.epoch < mg.epoch && m.standing != revoking {
		c.timers.Set(&m.patience, now+m.rebalanceMs) // to join
		return ErrRebalanceInProgress
	}
	c.timers.Stop(&m.patience)
	c.reply(call, SyncResponse{ProtocolType: consumerType, Protocol: protocol, Assignment: c.assignmentFor(m)})
	return nil
}

// guestHeartbeat handles a Heartbeat of a modern group. A guest that has a step
// to take is told to join.
func (c *Coordinator) guestHeartbeat(now int64, g *group, r *HeartbeatRequest) error {
	mg := g.modern
	m, err := mg.guestMember(r.Member, r.Instance, r.Generation)
	if err != nil {
		return err
	}
	c.touchConsumer(g, m, now)
	if m.epoch == mg.epoch && (m.standing == settled || m.standing == waiting && mg.blocked(m)) {
		return nil
	}
	if !m.patience.Armed() {
		c.timers.Set(&m.patience, now+m.rebalanceMs)
	}
	return ErrRebalanceInProgress
}

// guestLeave handles a LeaveGroup of a modern group. An administrator may take
// any static member out by its instance alone.
func (c *Coordinator) guestLeave(now int64, g *group, r *LeaveRequest) LeaveResponse {
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
		c.dismiss(now, g, gone...)
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
