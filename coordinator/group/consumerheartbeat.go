package group

import (
	"fmt"
	"slices"
	"strings"
)

// ConsumerHeartbeatRequest is all that a member of the consumer protocol says
// (KIP-848). What is nil, or RebalanceMs -1, has not changed.
type ConsumerHeartbeatRequest struct {
	Group, Member  string
	Epoch          int32 // the member's; 0 joins, -1 leaves, -2 leaves for a while
	Instance, Rack *string
	RebalanceMs    int64
	Names          []string
	Pattern        *string
	Assignor       *string
	Owned          Partitions
	ClientID, Host string
	NamesItself    bool // the member chooses its id, also when it joins (v1)
}

// ConsumerHeartbeatResponse leads the member on. A nil Assignment has not changed.
type ConsumerHeartbeatResponse struct {
	Member      string
	Epoch       int32
	HeartbeatMs int64 // when the next heartbeat is wanted
	Assignment  Partitions
}

const (
	memberIDBytesMax = 4096 // of ids that clients choose
	patternBytesMax  = 4096
)

// ConsumerHeartbeat handles a ConsumerGroupHeartbeat. The response rests on the records.
func (c *Coordinator) ConsumerHeartbeat(now int64,
	r ConsumerHeartbeatRequest) (ConsumerHeartbeatResponse, Effects, error) {
	if err := c.checkConsumer(&r); err != nil {
		return ConsumerHeartbeatResponse{}, Effects{}, err
	}
	var resp ConsumerHeartbeatResponse
	var err error
	if r.Epoch < epochJoin {
		resp, err = c.consumerLeave(now, &r)
	} else {
		resp, err = c.handleHeartbeat(now, &r)
	}
	return resp, c.take(), err
}

// checkConsumer refuses what no group could make sense of.
func (c *Coordinator) checkConsumer(r *ConsumerHeartbeatRequest) error {
	switch {
	case r.Group == "":
		return invalid("a group id is needed")
	case len(r.Group) > c.cfg.GroupIDBytesMax:
		return ErrInvalidGroupID
	case r.Member == "" && (r.NamesItself || r.Epoch != epochJoin):
		return invalid("a member id is needed")
	case len(r.Member) > memberIDBytesMax || len(orZero(r.Instance)) > memberIDBytesMax:
		return invalid("a member id or instance id has more than %d bytes", memberIDBytesMax)
	case r.Instance != nil && *r.Instance == "":
		return invalid("an instance id cannot be empty")
	case r.Rack != nil && *r.Rack == "":
		return invalid("a rack cannot be empty")
	case r.Epoch < epochLeaveStatic:
		return invalid("there is no member epoch %d", r.Epoch)
	case r.Assignor != nil && assignors[*r.Assignor] == nil:
		return fmt.Errorf("%w as %s; there are %s", ErrUnsupportedAssignor, printable(*r.Assignor),
			strings.Join(assignorNames, " and "))
	}
	if r.Epoch == epochJoin {
		return checkJoining(r)
	}
	return nil
}

// checkJoining refuses a first heartbeat that leaves something open.
func checkJoining(r *ConsumerHeartbeatRequest) error {
	switch {
	case r.RebalanceMs == -1:
		return invalid("who joins must say its rebalance timeout")
	case r.Owned == nil || len(r.Owned) > 0:
		return invalid("who joins must say that it owns no partitions")
	case r.Names == nil && r.Pattern == nil:
		return invalid("who joins must say what topics it subscribes to")
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalidRequest}, args...)...)
}

func orZero[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}

// full reports whether the member has said all that there is to say, which it
// does when it cannot know what the coordinator has heard. It is told all too.
func (r *ConsumerHeartbeatRequest) full() bool {
	return r.Epoch == epochJoin || r.RebalanceMs != -1 && (r.Names != nil || r.Pattern != nil) && r.Owned != nil
}

func (c *Coordinator) handleHeartbeat(now int64, r *ConsumerHeartbeatRequest) (ConsumerHeartbeatResponse, error) {
	if err := c.checkPattern(r); err != nil {
		return ConsumerHeartbeatResponse{}, err
	}
	g, err := c.modernGroup(now, r.Group, r.Epoch == epochJoin)
	if err != nil {
		return ConsumerHeartbeatResponse{}, err
	}
	m, err := c.obtainConsumer(g, r)
	if err != nil {
		c.forgetIfUnused(g)
		return ConsumerHeartbeatResponse{}, err
	}
	had := m.assigned
	c.retargetIfDue(now, g, c.updateMember(g, m, r))
	c.reconcile(now, g, m, r.Owned)
	c.resetConsumerSession(g, m, now)
	resp := ConsumerHeartbeatResponse{Member: m.id, Epoch: m.epoch, HeartbeatMs: c.heartbeatIntervalMs(now, g, m)}
	if r.full() || !had.equal(m.assigned) {
		resp.Assignment = m.assigned.plus(nil)
	}
	return resp, nil
}

func (c *Coordinator) checkPattern(r *ConsumerHeartbeatRequest) error {
	if r.Pattern == nil || *r.Pattern == "" {
		return nil
	}
	_, err := compilePattern(*r.Pattern)
	return err
}

// obtainConsumer finds the member, or makes it when it joins.
func (c *Coordinator) obtainConsumer(g *group, r *ConsumerHeartbeatRequest) (*consumer, error) {
	mg := g.modern
	if r.Epoch == epochJoin {
		return c.consumerJoins(g, r)
	}
	m, err := mg.member(r.Member, orZero(r.Instance))
	if err != nil {
		return nil, err
	}
	if m.classic != nil {
		return nil, ErrUnknownMember
	}
	if err := m.checkEpoch(r.Epoch, r.Owned); err != nil {
		return nil, err
	}
	if grows := r.size() - m.size(); grows > 0 && mg.bytes+grows > c.cfg.GroupBytesMax {
		return nil, ErrGroupFull
	}
	return m, nil
}

// checkEpoch refuses a member that is not where the coordinator has led it. The
// answer that did so may have been lost: the epoch before passes, if the member
// owns nothing that it must not.
func (m *consumer) checkEpoch(epoch int32, owned Partitions) error {
	switch {
	case epoch == m.epoch:
		return nil
	case epoch == m.previous && owned != nil && owned.within(m.assigned):
		return nil
	default:
		return fmt.Errorf("%w: it says %d and is in %d; it must give up its partitions and join again", ErrFencedEpoch,
			epoch, m.epoch)
	}
}

// consumerJoins makes a member, or finds the one that joins again.
func (c *Coordinator) consumerJoins(g *group, r *ConsumerHeartbeatRequest) (*consumer, error) {
	mg := g.modern
	instance := orZero(r.Instance)
	known := mg.members[r.Member]
	before := mg.instances[instance]
	switch {
	// The instance's place is free only once who had it has said that it leaves for a while.
	case before != nil && before != known && before.epoch != epochLeaveStatic:
		return nil, fmt.Errorf("%w: %s is in use by member %s", ErrUnreleasedInstance, printable(instance),
			printable(before.id))
	case known != nil && known.instance != instance:
		return nil, fmt.Errorf("%w: the member is known under another instance id", ErrUnknownMember)
	case known == nil && before == nil && len(mg.members) >= c.cfg.MembersMax:
		return nil, ErrGroupFull
	case mg.bytes+r.size() > c.cfg.GroupBytesMax:
		return nil, ErrGroupFull
	}
	// An older client lets the broker name it.
	if r.Member == "" {
		r.Member = c.newID()
	}
	switch {
	case known != nil:
		// It comes back before anybody took its place.
		if known.epoch == epochLeaveStatic {
			known.epoch = epochJoin
		}
		return known, nil
	case before != nil:
		return c.takeOver(g, before, r.Member, epochJoin), nil
	}
	m := c.newConsumer(g, r.Member, instance)
	mg.add(m)
	return m, nil
}

func (r *ConsumerHeartbeatRequest) size() int {
	n := len(orZero(r.Pattern)) + len(orZero(r.Rack))
	for _, name := range r.Names {
		n += len(name)
	}
	return n
}

// newConsumer makes a member that is in no group yet.
func (c *Coordinator) newConsumer(g *group, id, instance string) *consumer {
	m := &consumer{id: id, instance: instance, assigned: Partitions{}, revoking: Partitions{}, target: Partitions{}}
	m.session.Fire = func(now int64) { c.removeMembers(now, g, m) }
	m.rebalanceTimer.Fire = func(now int64) { c.removeMembers(now, g, m) }
	return m
}

// takeOver gives the place of a static member to one with another id: what it
// has been assigned, and its target.
func (c *Coordinator) takeOver(g *group, old *consumer, id string, epoch int32) *consumer {
	mg := g.modern
	m := c.newConsumer(g, id, old.instance)
	m.target, m.names, m.pattern = old.target, old.names, old.pattern
	has := old.assigned
	c.removeMember(mg, g.id, old)
	mg.bytes += m.size()
	mg.add(m)
	mg.move(m, moved{epoch, stable, has, Partitions{}})
	m.previous = epoch
	c.appendTarget(g, m)
	c.appendCurrent(g, m)
	return m
}

// updateMember notes what the member says of itself, and reports whether that changes
// the group's subscriptions.
func (c *Coordinator) updateMember(g *group, m *consumer, r *ConsumerHeartbeatRequest) (subscribes bool) {
	mg := g.modern
	was := *m
	mg.bytes -= m.size()
	m.clientID, m.host, m.classic = r.ClientID, r.Host, nil
	if r.RebalanceMs >= 0 {
		m.rebalanceMs = r.RebalanceMs
	}
	setIfTold(&m.rack, r.Rack)
	setIfTold(&m.pattern, r.Pattern)
	setIfTold(&m.assignor, r.Assignor)
	if r.Names != nil {
		m.names = slices.Compact(slices.Sorted(slices.Values(r.Names)))
	}
	if r.Epoch == epochJoin && r.Pattern == nil {
		m.pattern = ""
	}
	mg.bytes += m.size()
	if !m.written || !m.sameSubscription(&was) {
		c.appendMember(g, m)
	}
	return !slices.Equal(m.names, was.names) || m.pattern != was.pattern || mg.epoch == 0
}

func setIfTold(have *string, told *string) {
	if told != nil {
		*have = *told
	}
}

// sameSubscription reports whether two members' records would be the same.
func (m *consumer) sameSubscription(o *consumer) bool {
	return m.rack == o.rack && m.clientID == o.clientID && m.host == o.host && m.rebalanceMs == o.rebalanceMs &&
		slices.Equal(m.names, o.names) && m.pattern == o.pattern && m.assignor == o.assignor && m.classic == o.classic
}

// resetConsumerSession begins a member's session anew.
func (c *Coordinator) resetConsumerSession(g *group, m *consumer, now int64) {
	ms := c.configOf(g.id).SessionMs
	if m.classic != nil {
		ms = m.classic.sessionMs
	}
	c.timers.Set(&m.session, now+ms)
}
