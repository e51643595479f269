package group

import (
	"maps"
	"regexp"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/deadline"
)

// modern is what a group of the consumer protocol (KIP-848) has instead of
// generations: epochs, and a target that the coordinator itself makes.
//
//	subscriptions, topics ──► epoch ──assignor──► target, assignmentEpoch ──reconciled──► members' epochs
//
// The group's epoch rises when what the target depends on changes; the target
// is made at once. Each member is then led to its target by its own heartbeats:
// it gives up what it loses, and gets what nobody holds any more.
//
// Members may also speak the classic protocol, while a group migrates: for them
// a member epoch is a generation.
//
// Invariants: a member's epoch <= assignmentEpoch <= epoch; held has exactly the
// partitions that members are assigned or still have to revoke, each once.
type modern struct {
	epoch           int32
	assignmentEpoch int32
	members         map[string]*consumer
	instances       map[string]*consumer // static members
	held            map[place]hold
	topics          map[string]Topic // subscribed to, as of epoch
	seen            uint64           // the coordinator's topics that these are from
	patterns        map[string]*pattern
	bytes           int   // of what members said, added up
	restMs          int64 // from when on the group is at rest, unless a member is on its way; not in the log
}

// hold says who may read a partition, and since which member epoch.
type hold struct {
	by    *consumer
	since int32
}

// pattern is a subscription by regular expression, and the topics it matches.
type pattern struct {
	expr    *regexp.Regexp
	matches []string
	seen    uint64 // the coordinator's topics that these are from
}

func newModern() *modern {
	return &modern{
		members: make(map[string]*consumer), instances: make(map[string]*consumer),
		held: make(map[place]hold), topics: make(map[string]Topic), patterns: make(map[string]*pattern),
	}
}

// memberState is how far a member has been led to its target:
//
//	           lost some, owns them still
//	stable ──────────────────────────► unrevoked ──┐
//	 │  ▲                                           │ owns them no more
//	 │  └─────────── all are free ──── unreleased ◄─┘
//	 └──── another holds some of what it gets ─►
type memberState uint8

// The states, with Kafka's names and numbers.
const (
	stable     memberState = 0 // has all of its target
	unrevoked  memberState = 1 // has to give partitions up before it moves on
	unreleased memberState = 2 // waits for partitions that others have to give up
)

// The member epochs that are none.
const (
	epochJoin        int32 = 0
	epochLeave       int32 = -1
	epochLeaveStatic int32 = -2 // the member will be back under its instance id
)

// consumer is one member of a modern group. classic is set for one that speaks
// the classic protocol.
type consumer struct {
	id, instance, rack string
	clientID, host     string
	rebalanceMs        int64
	names              []string // subscribed to, sorted
	pattern            string   // subscribed to; "" is none
	assignor           string   // that it prefers; "" is none
	classic            *classicSide
	written            bool // the log has its subscription

	epoch, previous    int32
	state              memberState
	assigned, revoking Partitions
	target             Partitions

	session        deadline.Timer
	rebalanceTimer deadline.Timer // until it must have revoked, joined again or synced
}

// classicSide is what the classic protocol needs to know of a member.
type classicSide struct {
	sessionMs int64
	protocols []Protocol
}

// moved is the part of a consumer that reconciliation changes.
type moved struct {
	epoch              int32
	state              memberState
	assigned, revoking Partitions
}

func (m *consumer) place() moved { return moved{m.epoch, m.state, m.assigned, m.revoking} }

func (a moved) equal(b moved) bool {
	return a.epoch == b.epoch && a.state == b.state && a.assigned.equal(b.assigned) && a.revoking.equal(b.revoking)
}

// size is how many bytes the member has said.
func (m *consumer) size() int {
	n := len(m.pattern) + len(m.rack)
	for _, name := range m.names {
		n += len(name)
	}
	if m.classic != nil {
		for _, p := range m.classic.protocols {
			n += len(p.Name) + len(p.Metadata)
		}
	}
	return n
}

// sorted are the members by id.
func (mg *modern) sorted() []*consumer {
	all := make([]*consumer, 0, len(mg.members))
	for _, id := range slices.Sorted(maps.Keys(mg.members)) {
		all = append(all, mg.members[id])
	}
	return all
}

func (mg *modern) add(m *consumer) {
	mg.members[m.id] = m
	if m.instance != "" {
		mg.instances[m.instance] = m
	}
}

// drop takes a member out and frees what it held.
func (mg *modern) drop(m *consumer) {
	mg.move(m, moved{epoch: epochLeave})
	delete(mg.members, m.id)
	if mg.instances[m.instance] == m {
		delete(mg.instances, m.instance)
	}
}

// move brings a member to where it stands now, and keeps held with it.
func (mg *modern) move(m *consumer, to moved) {
	has := to.assigned.plus(to.revoking)
	m.assigned.plus(m.revoking).each(func(p place) {
		if list := has[p.topic]; mg.held[p].by == m && !contains(list, p.partition) {
			delete(mg.held, p)
		}
	})
	has.each(func(p place) {
		if mg.held[p].by != m {
			mg.held[p] = hold{m, to.epoch}
		}
	})
	if to.epoch != m.epoch {
		m.previous = m.epoch
	}
	m.epoch, m.state, m.assigned, m.revoking = to.epoch, to.state, to.assigned, to.revoking
}

func contains(sorted []int32, v int32) bool {
	_, ok := slices.BinarySearch(sorted, v)
	return ok
}

// state is the group's as Kafka's tools know it.
func (mg *modern) state() State {
	switch {
	case len(mg.members) == 0:
		return Empty
	case mg.epoch > mg.assignmentEpoch:
		return Assigning
	}
	for _, m := range mg.members {
		if m.state != stable || m.epoch != mg.assignmentEpoch {
			return Reconciling
		}
	}
	return Stable
}

// classics counts the members that speak the classic protocol.
func (mg *modern) classics() (n int) {
	for _, m := range mg.members {
		if m.classic != nil {
			n++
		}
	}
	return n
}

// member finds a member. A static one is fenced when another has taken its
// instance id.
func (mg *modern) member(id, instance string) (*consumer, error) {
	return findMember(mg.members, mg.instances, id, instance, func(m *consumer) string { return m.id })
}
