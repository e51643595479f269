package broker

import (
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

// followImage shows the groups what has changed in the metadata. It is called in
// the runtime's loop.
func (g *groups) followImage() {
	before, now := g.image, g.srv.cluster.Image()
	g.image = now
	g.followTopics(before, now)
	g.followConfigs(before, now)
}

// eachActive calls f for the coordinators that serve.
func (g *groups) eachActive(f func(*groupShard)) {
	g.runtime.Each(func(sh *groupShard, err error) {
		if err == nil {
			f(sh)
		}
	})
}

// followTopics shows the groups the topics that there are, and erases the offsets
// of those that were deleted since the last image.
func (g *groups) followTopics(before, now *image.Image) {
	var old []*image.Topic
	if before != nil {
		old = before.Topics()
	}
	current := now.Topics()
	if sameTopics(old, current) {
		return
	}
	g.eachActive(func(sh *groupShard) { sh.Machine().SetTopics(imageTopics{now}) })
	i := 0
	for _, t := range old {
		for i < len(current) && current[i].Name < t.Name {
			i++
		}
		if i < len(current) && current[i].ID == t.ID {
			continue
		}
		g.eachActive(func(sh *groupShard) { sh.Apply(groupEffects(sh.Machine().ForgetTopic(t.Name))) })
	}
}

// followConfigs shows the groups what they have set, if the image has other
// settings than the one before.
func (g *groups) followConfigs(before, now *image.Image) {
	if before != nil && before.SameGroupConfigs(now) {
		return
	}
	g.configs = g.groupConfigs(now)
	g.eachActive(func(sh *groupShard) { sh.Machine().SetGroupConfigs(g.nowMs(), g.configs) })
}

// groupConfigs are the settings of all groups that have some.
func (g *groups) groupConfigs(im *image.Image) map[string]group.GroupConfig {
	configs := make(map[string]group.GroupConfig)
	layers := g.srv.groupLayers()
	for _, id := range im.ConfiguredGroups() {
		set, err := settings.ParseGroup(im.GroupConfigs(id), layers...)
		if err != nil {
			g.srv.log.Warn("the settings of a consumer group cannot be read, and do not count", "group", protocol.PrintableShort(id), "error", err)
			continue
		}
		configs[id] = group.GroupConfig{SessionMs: set.SessionMs, HeartbeatMs: set.HeartbeatMs}
	}
	return configs
}
