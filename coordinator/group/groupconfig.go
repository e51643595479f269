package group

// GroupConfig is what one group of the consumer protocol has set for itself, in
// place of the Config's. Members of the classic protocol bring their own times.
type GroupConfig struct {
	SessionMs   int64 // consumer.session.timeout.ms
	HeartbeatMs int64 // consumer.heartbeat.interval.ms
}

// SetGroupConfigs takes what all groups have set, by id; the map is not to be
// changed any more. It holds at once: the sessions of members whose group has
// another session time now begin anew.
func (c *Coordinator) SetGroupConfigs(now int64, configs map[string]GroupConfig) {
	before := c.groupConfigs
	c.groupConfigs = configs
	for _, some := range []map[string]GroupConfig{before, configs} {
		for id := range some {
			if g := c.groups[id]; g != nil && g.modern != nil && before[id].SessionMs != configs[id].SessionMs {
				c.restartSessions(now, g)
			}
		}
	}
}

// restartSessions begins the sessions of all members anew.
func (c *Coordinator) restartSessions(now int64, g *group) {
	for _, m := range g.modern.members {
		if m.session.Armed() {
			c.resetConsumerSession(g, m, now)
		}
	}
}

// configOf is what holds for a group.
func (c *Coordinator) configOf(id string) GroupConfig {
	if config, ok := c.groupConfigs[id]; ok {
		return config
	}
	return GroupConfig{SessionMs: c.cfg.ConsumerSessionMs, HeartbeatMs: c.cfg.ConsumerHeartbeatMs}
}
