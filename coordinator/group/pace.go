package group

// A member of the consumer protocol is led by its own heartbeats: it hears in one
// what it must give up, and another hears in its own that it may have that. At the
// pace of a group at rest, every HeartbeatMs, each such step takes that
// long. But every answer says when the next heartbeat is wanted, and clients keep
// to it. So members of a group in motion are wanted sooner.

const (
	// hurryMs is how soon. Some clients wait no longer for the answer to a heartbeat
	// than until the next one is due, so that it must not be much less.
	hurryMs = 500
	// hurriedPerSecond bounds the heartbeats of one group in motion: those of a large
	// one come no sooner than the coordinator can take them.
	hurriedPerSecond = 1000
)

// beatMs is when a member is wanted again: soon, if it is on its way to its
// target, or if the group has changed so lately that not all have heard of it.
func (c *Coordinator) beatMs(now int64, g *group, m *consumer) int64 {
	every := c.timesOf(g.id).HeartbeatMs
	if m.standing == settled && now >= g.modern.restMs {
		return every
	}
	return min(every, max(hurryMs, int64(len(g.modern.members))*1000/hurriedPerSecond))
}
