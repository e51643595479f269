package group

import (
	"strings"

	"github.com/lockstep-log/lockstep/coordinator/deadline"
)

// JoinRequest asks for membership, or for another round of it. Absent strings
// are empty.
type JoinRequest struct {
	Group, Member, Instance string
	ClientID, Host          string
	SessionMs, RebalanceMs  int64
	ProtocolType            string
	Protocols               []Protocol
	RequireKnownID          bool // answer a new member with its id first (KIP-394; v4)
	CanSkipAssignment       bool // the leader understands SkipAssignment (KIP-814; v9)
}

// JoinResponse tells a member of the new generation. Only the leader gets Members.
type JoinResponse struct {
	Err            error
	Generation     int32
	ProtocolType   string
	Protocol       string
	Leader, Member string
	SkipAssignment bool
	Members        []JoinedMember
}

// JoinedMember is what the leader is told of a member.
type JoinedMember struct {
	Member, Instance string
	Metadata         []byte
}

// Join handles a JoinGroup. The answer comes with these Effects or later ones.
func (c *Coordinator) Join(now int64, call CallID, r JoinRequest) Effects {
	if err := c.join(now, call, &r); err != nil {
		c.reply(call, refusedJoin(r.Member, err))
	}
	return c.take()
}

func refusedJoin(member string, err error) JoinResponse {
	return JoinResponse{Err: err, Generation: -1, Member: member}
}

func (c *Coordinator) join(now int64, call CallID, r *JoinRequest) error {
	if err := c.checkID(r.Group); err != nil {
		return err
	}
	if r.SessionMs < c.cfg.SessionMinMs || r.SessionMs > c.cfg.SessionMaxMs {
		return ErrInvalidSession
	}
	r.RebalanceMs = max(r.RebalanceMs, 0)
	g := c.groups[r.Group]
	if g != nil && g.modern != nil {
		// The group is of the consumer protocol: the newcomer becomes a member of that, in its old words.
		if len(g.modern.members) > 0 {
			return c.joinClassicMember(now, call, g, r)
		}
		c.dissolve(g)
	}
	// An id that is known to nobody is not made known by a join: its member is to begin anew.
	if g == nil && r.Member != "" {
		return ErrUnknownMember
	}
	g, err := c.obtain(r.Group, now)
	if err != nil {
		return err
	}
	if r.Member == "" {
		err = c.joinNew(now, call, g, r)
	} else {
		err = c.joinAgain(now, call, g, r)
	}
	// A refused first member leaves no group behind.
	c.removeIfEmpty(g)
	return err
}

// admits refuses members beyond what a group may hold.
func (c *Coordinator) admits(g *group, r *JoinRequest, known *member) error {
	own := 0
	for _, p := range r.Protocols {
		own += len(p.Name) + len(p.Metadata)
	}
	if known != nil {
		own -= known.bytes()
	} else if _, pending := g.pending[r.Member]; !pending && len(g.members)+len(g.pending) >= c.cfg.MembersMax {
		return ErrGroupFull
	}
	if g.bytes()+own > c.cfg.GroupBytesMax {
		return ErrGroupFull
	}
	return nil
}

// joinNew is for who has no member id yet.
func (c *Coordinator) joinNew(now int64, call CallID, g *group, r *JoinRequest) error {
	before := g.instances[r.Instance]
	if err := c.admits(g, r, before); err != nil {
		return err
	}
	if !g.fits(r.ProtocolType, r.Protocols, before) {
		return ErrInconsistentProtocol
	}
	id := c.memberID(r)
	switch {
	case before != nil:
		c.replace(now, call, g, before, id, r)
	case r.Instance == "" && r.RequireKnownID:
		c.addPending(now, g, id, r.SessionMs)
		c.reply(call, refusedJoin(id, ErrMemberIDRequired))
	default:
		c.admit(now, call, g, id, r)
	}
	return nil
}

// memberNameMax bounds the part of a member id that its client chooses.
const memberNameMax = 1024

// memberID is a new id that begins with a name for people.
func (c *Coordinator) memberID(r *JoinRequest) string {
	name := r.ClientID
	if r.Instance != "" {
		name = r.Instance
	}
	if len(name) > memberNameMax {
		name = strings.ToValidUTF8(name[:memberNameMax], "")
	}
	return name + "-" + c.newID()
}

// addPending keeps an id that was given out for as long as a session.
func (c *Coordinator) addPending(now int64, g *group, id string, sessionMs int64) {
	if g.pending == nil {
		g.pending = make(map[string]*deadline.Timer)
	}
	t := &deadline.Timer{Fire: func(now int64) {
		delete(g.pending, id)
		c.completeIfAllJoined(now, g)
		c.removeIfEmpty(g)
	}}
	g.pending[id] = t
	c.timers.Set(t, now+sessionMs)
}

// admit adds a member and has the group rebalance.
func (c *Coordinator) admit(now int64, call CallID, g *group, id string, r *JoinRequest) {
	m := &member{id: id, instance: r.Instance, clientID: r.ClientID, host: r.Host, fresh: true}
	m.session.Fire = func(now int64) { c.sessionOver(now, g, m) }
	if len(g.members) == 0 {
		g.protocolType = r.ProtocolType
	}
	g.add(m)
	c.wait(now, call, m, r)
	g.extended = true
	c.rebalance(now, g)
}

// wait has a member wait for the next generation.
func (c *Coordinator) wait(now int64, call CallID, m *member, r *JoinRequest) {
	m.protocols, m.sessionMs, m.rebalanceMs = r.Protocols, r.SessionMs, r.RebalanceMs
	m.clientID, m.host = r.ClientID, r.Host
	c.failCalls(m, ErrRebalanceInProgress)
	m.joining = call
	if m.fresh {
		c.timers.Set(&m.session, now+max(c.cfg.NewMemberMs, r.SessionMs))
	} else {
		c.resetSession(m, now)
	}
}

// failCalls answers calls of the member that newer ones make void.
func (c *Coordinator) failCalls(m *member, err error) {
	c.reply(m.joining, refusedJoin(m.id, err))
	c.reply(m.syncing, SyncResponse{Err: err})
	m.joining, m.syncing = 0, 0
}

// joinAgain is for who has a member id.
func (c *Coordinator) joinAgain(now int64, call CallID, g *group, r *JoinRequest) error {
	if t, ok := g.pending[r.Member]; ok && r.Instance == "" {
		if err := c.admits(g, r, nil); err != nil {
			return err
		}
		if !g.fits(r.ProtocolType, r.Protocols, nil) {
			return ErrInconsistentProtocol
		}
		c.timers.Stop(t)
		delete(g.pending, r.Member)
		c.admit(now, call, g, r.Member, r)
		return nil
	}
	m, err := g.member(r.Member, r.Instance)
	if err != nil {
		return err
	}
	if err := c.admits(g, r, m); err != nil {
		return err
	}
	if !g.fits(r.ProtocolType, r.Protocols, m) {
		return ErrInconsistentProtocol
	}
	if c.current(g, m, r) {
		c.resetSession(m, now)
		c.reply(call, g.joined(m))
		return nil
	}
	c.wait(now, call, m, r)
	c.rebalance(now, g)
	return nil
}

// current reports whether a member that joins again has only missed the answer
// to its last join. A leader of a stable group joins to have it rebalance.
func (c *Coordinator) current(g *group, m *member, r *JoinRequest) bool {
	switch g.state {
	case CompletingRebalance:
		return m.matches(r.Protocols)
	case Stable:
		return g.leader != m.id && m.matches(r.Protocols)
	default:
		return false
	}
}

// joined is the answer for a member of the generation at hand.
func (g *group) joined(m *member) JoinResponse {
	resp := JoinResponse{
		Generation: g.generation, ProtocolType: g.protocolType, Protocol: g.protocol, Leader: g.leader, Member: m.id,
	}
	if g.leader == m.id && g.state == CompletingRebalance {
		resp.Members = g.joinedMembers()
	}
	return resp
}

func (g *group) joinedMembers() []JoinedMember {
	all := make([]JoinedMember, 0, len(g.members))
	for _, m := range g.members {
		all = append(all, JoinedMember{m.id, m.instance, m.metadata(g.protocol)})
	}
	return all
}
