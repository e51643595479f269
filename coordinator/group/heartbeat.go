package group

// HeartbeatRequest says that a member lives.
type HeartbeatRequest struct {
	Group, Member, Instance string
	Generation              int32
}

// Heartbeat handles a Heartbeat. ErrRebalanceInProgress tells the member to join again.
func (c *Coordinator) Heartbeat(now int64, r HeartbeatRequest) error {
	if g := c.groups[r.Group]; g != nil && g.modern != nil {
		return c.heartbeatClassicMember(now, g, &r)
	}
	g, m, err := c.find(r.Group, r.Member, r.Instance)
	switch {
	case err != nil:
		return err
	case r.Generation != g.generation:
		return ErrIllegalGeneration
	}
	if !m.fresh {
		c.resetSession(m, now)
	}
	if g.state == PreparingRebalance {
		return ErrRebalanceInProgress
	}
	return nil
}
