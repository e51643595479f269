package group

import (
	"maps"
	"slices"
)

// retargetIfDue raises the group's epoch and makes a new target, if the
// subscriptions have changed or the topics behind them have.
func (c *Coordinator) retargetIfDue(now int64, g *group, subscriptionsChanged bool) {
	mg := g.modern
	if !subscriptionsChanged && mg.seen == c.topicsSeen && mg.epoch == mg.assignmentEpoch {
		return
	}
	asked := c.askers(mg)
	topicsChanged := c.followTopics(g, asked)
	if subscriptionsChanged || topicsChanged {
		c.raiseEpoch(now, g)
	}
	if mg.epoch > mg.assignmentEpoch {
		c.retarget(g, asked)
	}
}

// askers are the members with the topics that they subscribe to, by id.
func (c *Coordinator) askers(mg *modern) []asker {
	all := make([]asker, 0, len(mg.members))
	for _, m := range mg.sorted() {
		all = append(all, asker{id: m.id, instance: m.instance, topics: c.subscriptions(mg, m), has: m.target})
	}
	return all
}

// followTopics notes what topics the members subscribe to, and reports whether
// they are others than before.
func (c *Coordinator) followTopics(g *group, asked []asker) (changed bool) {
	mg := g.modern
	now := make(map[string]Topic)
	for _, a := range asked {
		for _, t := range a.topics {
			now[t.Name] = t
		}
	}
	mg.seen = c.topicsSeen
	maps.DeleteFunc(mg.patterns, func(text string, _ *pattern) bool { return !mg.uses(text) })
	if maps.Equal(now, mg.topics) {
		return false
	}
	mg.topics = now
	c.appendTopics(g)
	return true
}

func (mg *modern) uses(pattern string) bool {
	for _, m := range mg.members {
		if m.pattern == pattern {
			return true
		}
	}
	return false
}

// raiseEpoch begins a new epoch. In one interval of heartbeats all members hear of it.
func (c *Coordinator) raiseEpoch(now int64, g *group) {
	g.modern.epoch++
	g.modern.restMs = now + c.configOf(g.id).HeartbeatMs
	c.appendEpoch(g)
}

// retarget makes the target of the group's epoch.
func (c *Coordinator) retarget(g *group, asked []asker) {
	mg := g.modern
	targets := assignors[mg.assignor()](asked)
	for _, a := range asked {
		m := mg.members[a.id]
		if to := targets[a.id]; !m.target.equal(to) {
			m.target = to
			c.appendTarget(g, m)
		}
	}
	mg.assignmentEpoch = mg.epoch
	c.appendTargetEpoch(g)
}

// assignor is the one that most members prefer; of equals, the first by name.
func (mg *modern) assignor() string {
	votes := make(map[string]int)
	for _, m := range mg.members {
		if m.assignor != "" {
			votes[m.assignor]++
		}
	}
	best := assignorNames[0]
	for _, name := range slices.Sorted(maps.Keys(votes)) {
		if votes[name] > votes[best] && assignors[name] != nil {
			best = name
		}
	}
	return best
}
