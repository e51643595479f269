package group

import (
	"math"
	"unicode/utf16"

	"github.com/lockstep-log/lockstep/coordinator/deadline"
)

// CallID names a JoinGroup or SyncGroup whose answer may come later. The driver
// chooses it; 0 is none.
type CallID uint64

// Record goes into the offsets topic. A nil Value is a tombstone.
type Record struct{ Key, Value []byte }

// Reply completes a call with a JoinResponse or a SyncResponse.
type Reply struct {
	Call     CallID
	Response any
}

// Effects are what a command asks its driver to do: append the records, in this
// order, and send the replies when those are committed.
type Effects struct {
	Records []Record
	Replies []Reply
	// Transaction is whose transaction the records belong to; nil: to none.
	Transaction *Producer
}

// Coordinator holds the groups of one partition of the offsets topic. It is a
// fold: Replay rebuilds from the log what commands wrote there. One owner.
type Coordinator struct {
	cfg     Config
	newID   func() string // makes the unique part of member ids
	groups  map[string]*group
	timers  deadline.Queue
	cleanup deadline.Timer
	expiry  []string // groups that the run under way has not looked at
	fx      Effects  // of the command under way

	transactions   map[int64]map[string]bool // the groups with undecided offsets, by producer
	undecidedOrder uint64

	topics       Topics // of the cluster
	topicsSeen   uint64 // counts them
	groupConfigs map[string]GroupConfig
}

// New makes a coordinator without groups. Replay what its log holds, then Start.
func New(cfg Config, newID func() string) *Coordinator {
	c := &Coordinator{cfg: cfg.withDefaults(), newID: newID, groups: make(map[string]*group), topics: noTopics{}, transactions: make(map[int64]map[string]bool)}
	c.cleanup.Fire = c.expireGroups
	return c
}

// Start begins the sessions of all members, once the log is replayed.
func (c *Coordinator) Start(now int64) {
	for _, g := range c.groups {
		for _, m := range g.members {
			c.resetSession(m, now)
		}
		if g.modern != nil {
			c.startModern(now, g)
		}
	}
	c.timers.Set(&c.cleanup, now+c.cfg.RetentionCheckMs)
}

// NextDeadline is when to call Tick at the latest.
func (c *Coordinator) NextDeadline() (now int64, ok bool) { return c.timers.Next() }

// Tick does what is due.
func (c *Coordinator) Tick(now int64) Effects {
	for t := c.timers.Pop(now); t != nil; t = c.timers.Pop(now) {
		t.Fire(now)
	}
	return c.take()
}

// Groups is the number of groups.
func (c *Coordinator) Groups() int { return len(c.groups) }

// take returns the effects of the command that ends.
func (c *Coordinator) take() Effects {
	fx := c.fx
	c.fx = Effects{}
	return fx
}

func (c *Coordinator) append(r Record) { c.fx.Records = append(c.fx.Records, r) }

func (c *Coordinator) reply(call CallID, response any) {
	if call != 0 {
		c.fx.Replies = append(c.fx.Replies, Reply{call, response})
	}
}

// checkID refuses group ids that cannot be members' groups.
func (c *Coordinator) checkID(id string) error {
	if id == "" || len(id) > c.cfg.GroupIDBytesMax {
		return ErrInvalidGroupID
	}
	return nil
}

// obtain finds a group or makes it.
func (c *Coordinator) obtain(id string, now int64) (*group, error) {
	if g := c.groups[id]; g != nil {
		return g, nil
	}
	if len(c.groups) >= c.cfg.GroupsMax {
		return nil, ErrTooManyGroups
	}
	g := newGroup(id, now)
	g.timer.Fire = func(now int64) { c.phaseOver(g, now) }
	c.groups[id] = g
	return g, nil
}

// removeIfEmpty drops a group of which nothing is known: nobody in it, nothing
// of it in the log.
func (c *Coordinator) removeIfEmpty(g *group) {
	if g.status() == Empty && !g.written && len(g.members) == 0 && len(g.pending) == 0 && len(g.offsets) == 0 && len(g.undecided) == 0 {
		c.removeGroup(g)
	}
}

// removeGroup forgets a group.
func (c *Coordinator) removeGroup(g *group) {
	c.timers.Stop(&g.timer)
	for _, m := range g.members {
		c.timers.Stop(&m.session)
	}
	for _, t := range g.pending {
		c.timers.Stop(t)
	}
	if g.modern != nil {
		for _, m := range g.modern.members {
			c.stopTimers(m)
		}
	}
	g.state = Dead
	delete(c.groups, g.id)
}

// PartitionOf is the partition of an offsets topic of n partitions that a group
// belongs to: as Kafka has it, by Java's hash of the id.
func PartitionOf(groupID string, n int32) int32 {
	var h int32
	for _, u := range utf16.Encode([]rune(groupID)) {
		h = 31*h + int32(u)
	}
	if h == math.MinInt32 {
		return 0
	}
	return max(h, -h) % n
}
