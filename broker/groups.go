package broker

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/coordinator"
	"github.com/lockstep-log/lockstep/coordinator/group"
)

// groups drives the group coordinators: one shard for each partition of the
// offsets topic that this broker leads.
//
//	reader ─► task ─► loop: command ─► records ─► partition ─► committed ─► task ─► answers
//
// One goroutine, run, owns the shards and all that is in them. Readers and
// partitions hand it tasks; each connection has one group request under way at
// most, and each such request a few, which bounds the mailbox.
type groups struct {
	srv   *Server
	began time.Time
	wake  chan struct{}
	mail  struct {
		sync.Mutex
		tasks  []func()
		closed bool
	}

	// Owned by run.
	ctx    context.Context
	shards map[int32]*shard
	image  *coordinator.Image   // that was followed last
	own    map[string]group.Own // the groups' own times, as of that image
	calls  group.CallID         // the last that was given out
	spare  []func()             // the mailbox's other slice
	loads  sync.WaitGroup       // and what makes the topic grow
	slots  chan struct{}        // one for each load under way
}

// loadsMax bounds the partitions that are loaded side by side.
const loadsMax = 4

func newGroups(s *Server) *groups {
	return &groups{
		srv: s, began: time.Now(), wake: make(chan struct{}, 1),
		shards: make(map[int32]*shard), slots: make(chan struct{}, loadsMax),
	}
}

// nowMs is the time by which sessions are measured: the wall clock's at start,
// and steady since, whatever is done to the wall clock.
func (g *groups) nowMs() int64 { return g.began.UnixMilli() + time.Since(g.began).Milliseconds() }

// post has f run in the loop. It reports false when the broker stops.
func (g *groups) post(f func()) bool {
	g.mail.Lock()
	if g.mail.closed {
		g.mail.Unlock()
		return false
	}
	g.mail.tasks = append(g.mail.tasks, f)
	g.mail.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
	return true
}

// run is the loop.
func (g *groups) run(ctx context.Context) error {
	g.ctx = ctx
	g.loads.Go(func() { g.grow(ctx) })
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	moved := g.srv.hosted.Reconciled()
	g.follow()
	for {
		select {
		case <-ctx.Done():
			g.stop()
			return nil
		case <-moved:
		case <-g.wake:
		case <-alarm.C:
		}
		select {
		case <-moved: // what a client has changed holds for what it asks next
			moved = g.srv.hosted.Reconciled()
			g.follow()
		default:
		}
		g.work()
		g.tick()
		g.arm(alarm)
	}
}

// work does the tasks that wait.
func (g *groups) work() {
	g.mail.Lock()
	tasks := g.mail.tasks
	g.mail.tasks = g.spare[:0]
	g.mail.Unlock()
	for _, task := range tasks {
		task()
	}
	clear(tasks)
	g.spare = tasks
}

// tick does what is due. It comes behind the tasks: heartbeats that arrived
// while the process stood still count.
func (g *groups) tick() {
	now := g.nowMs()
	for _, sh := range g.shards {
		if due, ok := sh.deadline(); ok && due <= now {
			sh.tick(now)
		}
	}
}

// arm sets the alarm for the first deadline of all shards.
func (g *groups) arm(alarm *time.Timer) {
	wait := time.Hour
	now := g.nowMs()
	for _, sh := range g.shards {
		if due, ok := sh.deadline(); ok {
			wait = min(wait, time.Duration(max(0, due-now))*time.Millisecond)
		}
	}
	alarm.Reset(wait)
}

// stop answers everybody and takes no more tasks.
func (g *groups) stop() {
	g.mail.Lock()
	g.mail.closed = true
	tasks := g.mail.tasks
	g.mail.tasks = nil
	g.mail.Unlock()
	for _, sh := range g.shards {
		sh.drop(kerr.CoordinatorNotAvailable)
	}
	for _, task := range tasks {
		task() // finds no shard
	}
	g.loads.Wait()
}

// follow makes the shards those of the partitions that this broker leads.
func (g *groups) follow() {
	if g.ctx.Err() != nil {
		return
	}
	im := g.srv.cluster.Image()
	t := g.srv.hosted.Topic(offsetsTopic)
	leading := make(map[int32]leadership)
	if t != nil {
		if it, ok := im.TopicByID(t.ID); ok {
			for _, ip := range it.Partitions {
				if p := t.Partition(ip.Index); ip.Leader == g.srv.cfg.NodeID && p.IsWritable() {
					leading[ip.Index] = leadership{p, ip.LeaderEpoch}
				}
			}
		}
	}
	for i, sh := range g.shards {
		if sh.leadership != leading[i] {
			sh.drop(kerr.NotCoordinator)
		}
	}
	for i, l := range leading {
		if g.shards[i] == nil {
			g.shards[i] = newShard(g, i, l)
		}
	}
	before := g.image
	g.image = im
	g.forget(before, im)
	g.followOwn(before, im)
}

// forget shows the groups the topics that there are, and erases the offsets of
// those that were deleted since the last image.
func (g *groups) forget(old, im *coordinator.Image) {
	now := im.Topics()
	var before []*coordinator.Topic
	if old != nil {
		before = old.Topics()
	}
	if len(g.shards) == 0 || sameTopics(before, now) {
		return
	}
	for _, sh := range g.shards {
		if sh.groups != nil {
			sh.groups.SetTopics(imageTopics{im})
		}
	}
	i := 0
	for _, t := range before {
		for i < len(now) && now[i].Name < t.Name {
			i++
		}
		if i < len(now) && now[i].ID == t.ID {
			continue
		}
		for _, sh := range g.shards {
			if sh.groups != nil {
				sh.apply(sh.groups.ForgetTopic(t.Name))
			}
		}
	}
}

// shard finds the active shard of a partition, or says why there is none here.
func (g *groups) shard(index int32) (*shard, error) {
	if g.shards[index] == nil {
		g.follow() // the partition may be quite new
	}
	switch sh := g.shards[index]; {
	case g.ctx.Err() != nil:
		return nil, kerr.CoordinatorNotAvailable
	case sh == nil && g.willLead(index):
		return nil, kerr.CoordinatorLoadInProgress
	case sh == nil:
		return nil, kerr.NotCoordinator
	case sh.failed != nil:
		return sh, sh.failed
	case sh.groups == nil:
		return sh, kerr.CoordinatorLoadInProgress
	default:
		return sh, nil
	}
}

// willLead reports whether the metadata has this broker lead a partition that is
// not open yet.
func (g *groups) willLead(index int32) bool {
	t, ok := g.srv.cluster.Image().Topic(offsetsTopic)
	if !ok || int(index) >= len(t.Partitions) || t.Partitions[index].Leader != g.srv.cfg.NodeID {
		return false
	}
	p := g.srv.hosted.Topic(offsetsTopic).Partition(index)
	return p == nil || p.Broken == nil && p.IsWritable()
}
