package group

// Own are the times of one group of the consumer protocol, where they are other
// than the Config's. Members of the classic protocol bring their own.
type Own struct {
	SessionMs   int64 // consumer.session.timeout.ms
	HeartbeatMs int64 // consumer.heartbeat.interval.ms
}

// SetOwn takes the times of all groups that have some, by id; the map is not to
// be changed any more. They hold at once: the sessions of members whose group
// has another session time now begin anew.
func (c *Coordinator) SetOwn(now int64, own map[string]Own) {
	before := c.own
	c.own = own
	for _, some := range []map[string]Own{before, own} {
		for id := range some {
			if g := c.groups[id]; g != nil && g.modern != nil && before[id].SessionMs != own[id].SessionMs {
				c.restart(now, g)
			}
		}
	}
}

// restart begins the sessions of all members anew.
func (c *Coordinator) restart(now int64, g *group) {
	for _, m := range g.modern.members {
		if m.session.Armed() {
			c.touchConsumer(g, m, now)
		}
	}
}

// timesOf are the times that hold for a group.
func (c *Coordinator) timesOf(id string) Own {
	if own, ok := c.own[id]; ok {
		return own
	}
	return Own{SessionMs: c.cfg.ConsumerSessionMs, HeartbeatMs: c.cfg.ConsumerHeartbeatMs}
}
