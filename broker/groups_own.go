package broker

import (
	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/group"
	"github.com/lockstep-log/lockstep/coordinator/settings"
)

// followOwn shows the groups the times that they have of their own, if the image
// has others than the one before.
func (g *groups) followOwn(before, im *coordinator.Image) {
	if before != nil && before.SameGroupConfigs(im) {
		return
	}
	g.own = g.ownTimes(im)
	for _, sh := range g.shards {
		if sh.groups != nil {
			sh.groups.SetOwn(g.nowMs(), g.own)
		}
	}
}

// ownTimes are the times of all groups that have settings.
func (g *groups) ownTimes(im *coordinator.Image) map[string]group.Own {
	own := make(map[string]group.Own)
	layers := g.srv.groupLayers()
	for _, id := range im.ConfiguredGroups() {
		times, err := settings.ParseGroup(im.GroupConfigs(id), layers...)
		if err != nil {
			g.srv.log.Warn("the settings of a consumer group cannot be read, and do not count", "group", printable(id), "error", err)
			continue
		}
		own[id] = group.Own{SessionMs: times.SessionMs, HeartbeatMs: times.HeartbeatMs}
	}
	return own
}
