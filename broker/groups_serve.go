package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// offsetsTopic is where groups and their offsets are kept.
const offsetsTopic = "__consumer_offsets"

// offsetsConfigs are the settings it is made with. It is compacted: the newest
// record of each key is the state.
var offsetsConfigs = map[string]string{
	"cleanup.policy":   "compact",
	"compression.type": "producer",
	"segment.bytes":    "104857600",
	"conflict.policy":  "off",
}

// serve runs f in the loop with the shard that a group belongs to, or with the
// reason why this broker does not serve it. The request's bytes are given back
// first: f must not need them, and finishes the exchange, now or later.
func (g *groups) serve(x *transport.Exchange, groupID string, f func(*groupShard, error)) {
	n, err := g.srv.partitionsOf(x, g.topic)
	x.ReleaseFrame()
	if err != nil {
		f(nil, err)
		return
	}
	g.runtime.Serve(group.PartitionOf(groupID, n), f)
}

// serveAll is serve for several groups at once: each is called for every id, and
// done when all that its answer rests on is committed, with the error if that
// failed. A group that is named again is refused: a small request could ask for
// the same large answer very often.
func (g *groups) serveAll(
	x *transport.Exchange, ids []string, each func(i int, sh *groupShard, err error), done func(i int, err error), finish func(),
) {
	n, err := g.srv.partitionsOf(x, g.topic)
	x.ReleaseFrame()
	run := func(err error) { // why no group can be asked, or nil
		named := tallyOf(ids, func(id *string) string { return *id })
		left := len(ids) + 1
		end := func() {
			if left--; left == 0 {
				finish()
			}
		}
		for i, id := range ids {
			one := func(sh *groupShard, err error) {
				each(i, sh, err)
				if err != nil {
					done(i, nil)
					end()
					return
				}
				sh.After(func(err error) { done(i, err); end() })
			}
			switch {
			case named.take(id) == 0:
				one(nil, errTwice("group", id))
			case err != nil:
				one(nil, err)
			default:
				g.runtime.At(group.PartitionOf(id, n), one)
			}
		}
		end()
	}
	if err == nil {
		err = g.runtime.Do(func() { run(nil) })
	}
	if err != nil {
		run(err)
	}
}

// park keeps an exchange until the group has an answer for it, or its client has
// left. The member stays until its session ends.
func park(sh *groupShard, x *transport.Exchange, answer func(response any, err error) kmsg.Response) group.CallID {
	call := sh.Park(func(response any, err error) { sendResponse(x, answer(response, err)) })
	x.OnDisconnect(func() { sh.Abandon(call, x.HangUp) })
	return group.CallID(call)
}
