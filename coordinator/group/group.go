package group

import (
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/deadline"
	"github.com/lockstep-log/lockstep/internal/invariant"
)

// Protocol is an assignor that a member can work with, and what it tells the
// others for it: a consumer's subscription.
type Protocol struct {
	Name     string
	Metadata []byte
}

// member is one consumer in a group. Instance is set for static members.
type member struct {
	id, instance     string
	clientID, host   string
	sessionMs        int64
	rebalanceMs      int64
	protocols        []Protocol // in the member's order of preference
	assignment       []byte
	joining, syncing CallID // the call that waits for an answer, or 0
	fresh            bool   // has not been through a rebalance yet
	unsynced         bool   // has learnt of the generation and not asked for its assignment
	session          deadline.Timer
}

// metadata is what the member said for a protocol.
func (m *member) metadata(protocol string) []byte {
	for _, p := range m.protocols {
		if p.Name == protocol {
			return p.Metadata
		}
	}
	return nil
}

func (m *member) bytes() (n int) {
	for _, p := range m.protocols {
		n += len(p.Name) + len(p.Metadata)
	}
	return n
}

// matches reports whether the member has joined with these very protocols.
func (m *member) matches(protocols []Protocol) bool { return sameProtocols(m.protocols, protocols) }

func sameProtocols(a, b []Protocol) bool {
	return slices.EqualFunc(a, b, func(a, b Protocol) bool {
		return a.Name == b.Name && string(a.Metadata) == string(b.Metadata)
	})
}

// group is one group. The coordinator that holds it owns it.
//
// Invariants: byID and members hold the same; instances names static members
// only; leader is "" or a member's id; Empty has no members; protocol is set
// when the state is CompletingRebalance or Stable.
type group struct {
	id           string
	state        State
	stateSinceMs int64
	generation   int32
	protocolType string
	protocol     string
	leader       string
	members      []*member // in the order of joining
	byID         map[string]*member
	instances    map[string]*member
	pending      map[string]*deadline.Timer // ids given out and not used yet (KIP-394)
	offsets      map[TopicPartition]Offset
	undecided    map[int64]map[TopicPartition]undecided // of open transactions, by producer
	topics       map[string]bool                        // subscribed to; nil: not known
	written      bool                                   // the log has a record of the group itself
	modern       *modern                                // of the consumer protocol; then what classic groups have is empty

	timer    deadline.Timer // of the phase: joining, or syncing
	initial  bool           // the rebalance is the first of an empty group
	extended bool           // a member has come since the initial delay began
	waitMs   int64          // what is left to extend the initial delay by
}

func newGroup(id string, now int64) *group {
	return &group{id: id, stateSinceMs: now}
}

// status is where the group stands, by whichever protocol.
func (g *group) status() State {
	if g.modern != nil {
		return g.modern.state()
	}
	return g.state
}

// become changes the state along the table.
func (g *group) become(to State, now int64) {
	invariant.Check(slices.Contains(follows[to], g.state), "group %s goes from %s to %s", g.id, g.state, to)
	g.state, g.stateSinceMs = to, now
}

// add puts a member in; the first becomes the leader.
func (g *group) add(m *member) {
	if g.byID == nil {
		g.byID = make(map[string]*member)
	}
	g.members = append(g.members, m)
	g.byID[m.id] = m
	if m.instance != "" {
		if g.instances == nil {
			g.instances = make(map[string]*member)
		}
		g.instances[m.instance] = m
	}
	if g.leader == "" {
		g.leader = m.id
	}
}

// remove takes a member out; the one that has joined first among those who wait
// or, if nobody does, among all leads from now on.
func (g *group) remove(m *member) {
	g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
	delete(g.byID, m.id)
	if m.instance != "" && g.instances[m.instance] == m {
		delete(g.instances, m.instance)
	}
	if g.leader == m.id {
		g.leader = ""
		if len(g.members) > 0 {
			g.leader = g.members[0].id
		}
	}
}

// rename gives a static member that came back its new id.
func (g *group) rename(m *member, id string) {
	delete(g.byID, m.id)
	if g.leader == m.id {
		g.leader = id
	}
	m.id = id
	g.byID[id] = m
}

// member finds the member that a request speaks for. A static member is fenced
// when another has taken its instance id.
func (g *group) member(id, instance string) (*member, error) {
	return findMember(g.byID, g.instances, id, instance, func(m *member) string { return m.id })
}

// findMember finds who a request speaks for, in a group of either protocol.
func findMember[M any](byID, instances map[string]*M, id, instance string, idOf func(*M) string) (*M, error) {
	m := byID[id]
	if instance != "" {
		m = instances[instance]
	}
	switch {
	case m == nil:
		return nil, ErrUnknownMember
	case instance != "" && idOf(m) != id:
		return nil, ErrFencedInstance
	}
	return m, nil
}

// allJoined reports whether nobody is waited for.
func (g *group) allJoined() bool {
	return len(g.pending) == 0 && !slices.ContainsFunc(g.members, func(m *member) bool { return m.joining == 0 })
}

// rebalanceMs is what the member grants that gives most time.
func (g *group) rebalanceMs() (most int64) {
	for _, m := range g.members {
		most = max(most, m.rebalanceMs)
	}
	return most
}

func (g *group) bytes() (n int) {
	for _, m := range g.members {
		n += m.bytes()
	}
	return n
}
