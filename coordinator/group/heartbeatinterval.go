package group

// A member of the consumer protocol is led by its own heartbeats: it hears in one
// what it must give up, and another hears in its own that it may have that. At the
// interval of a group at rest, HeartbeatMs, each such step takes that long. But
// every answer says when the next heartbeat is due, and clients keep to it. So a
// group that rebalances has a shorter interval.

const (
	// rebalancingIntervalMs is that interval. Some clients wait no longer for the
	// answer to a heartbeat than until the next one is due, so that it must not be
	// much less.
	rebalancingIntervalMs = 500
	// rebalancingHeartbeatsPerSecond bounds the heartbeats of one group that
	// rebalances: a large one's come no sooner than the coordinator can take them.
	rebalancingHeartbeatsPerSecond = 1000
)

// heartbeatIntervalMs is when a member's next heartbeat is due: soon, if it is on
// its way to its target, or if the group has changed so lately that not all have
// heard of it.
func (c *Coordinator) heartbeatIntervalMs(now int64, g *group, m *consumer) int64 {
	every := c.configOf(g.id).HeartbeatMs
	if m.state == stable && now >= g.modern.restMs {
		return every
	}
	return min(every, max(rebalancingIntervalMs, int64(len(g.modern.members))*1000/rebalancingHeartbeatsPerSecond))
}
