package plan

import (
	"cmp"
	"slices"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/protocol"
)

// ElectionRules are what an election may do.
type ElectionRules struct {
	// SyncedAcks: the partition syncs before it acknowledges (flush.messages=1).
	// Then a member that was not shut down cleanly lacks nothing that was
	// acknowledged, and is chosen when no other is there.
	SyncedAcks bool
	// MinInsync is min.insync.replicas. With SyncedAcks, a member that was not
	// shut down cleanly stays unless so many others do: who seems to live may be
	// dead, and its disk gone, and then the one that restarted has the last copy.
	MinInsync int
	// Preferred: leadership goes back to the first replica that may lead.
	Preferred bool
}

// Elect says who is to lead a partition and who stays in its ISR, given the
// live brokers. It is a pure function; changed is false when all stands well.
// The next state keeps the PartitionEpoch that it was decided from, for the
// compare-and-swap that is to follow.
//
// Only a member of the ISR is ever chosen, and an election only takes members
// away: adding is the leader's alone.
//
//	member is                                   it          (epoch: the broker's)
//	live, in the epoch in which it joined       stays and may lead
//	live, after a clean shutdown                stays, in its new epoch, and may lead
//	live, after anything else                   goes, and comes back when it has caught up; stays if
//	                                            no other may lead, with SyncedAcks or if none is gone,
//	                                            and with SyncedAcks if fewer than MinInsync others stay
//	leaving                                     goes if another stays, and leads only if none other can
//	resigned, or with its log lost              goes if another stays
//	gone                                        goes if another stays
//
// The last ones never go: when nobody may lead, the ISR stands as it is and
// waits for one of them, for only they have all that was acknowledged.
func Elect(now image.Partition, brokers LiveBrokers, rules ElectionRules) (next image.Partition, changed bool) {
	if atRest(&now, brokers, rules) {
		return now, false
	}
	staying := stay(membersOf(&now, brokers), rules)
	next = now
	next.ISR = nil
	for _, was := range now.ISR {
		if at := slices.IndexFunc(staying, func(m member) bool { return m.id == was.ID }); at >= 0 {
			next.ISR = append(next.ISR, protocol.Member{ID: was.ID, BrokerEpoch: staying[at].joins})
			changed = changed || staying[at].rejoins()
		}
	}
	leader := chooseLeader(&now, staying, rules)
	if leader.id != now.Leader || leader.rejoins() {
		next.Leader = leader.id
		next.LeaderEpoch++
		changed = true
	}
	return next, changed || len(next.ISR) != len(now.ISR)
}

// Resign is the state after a member's log has failed in this broker epoch: it
// leads no more and leaves the ISR, unless it is the last one there; then nobody
// leads until it, in another epoch, or an operator has something to offer.
func Resign(now image.Partition, id protocol.BrokerID,
	epoch protocol.BrokerEpoch) (next image.Partition, changed bool) {
	next = now
	next.ISR = slices.Clone(now.ISR)
	if at := next.ISR.Index(id); at >= 0 {
		switch joined := next.ISR[at].BrokerEpoch; {
		case joined != 0 && joined != epoch: // of another epoch
		case len(next.ISR) > 1:
			next.ISR = slices.Delete(next.ISR, at, at+1)
			changed = true
		default:
			next.ISR[at].BrokerEpoch = -epoch
			changed = true
		}
	}
	if changed && next.Leader == id {
		next.Leader = protocol.NoBroker
		next.LeaderEpoch++
	}
	return next, changed
}

// member is one of the ISR, held against who brokers.
type member struct {
	id    protocol.BrokerID
	state memberState
	// joined is the broker epoch noted, joins the one to be noted if it stays.
	joined, joins protocol.BrokerEpoch
}

// rejoins reports whether it stays in another broker epoch than the one that joined.
func (m member) rejoins() bool { return m.joins != m.joined }

type memberState uint8

// Better states first.
const (
	memberSame      memberState = iota // in the broker epoch in which it joined
	memberClean                        // in an epoch that goes on from that one
	memberLeaving                      // live, and about to go
	memberRestarted                    // in an epoch that may have lost what was not synced
	memberAbsent                       // gone, resigned, or with its log lost
)

// atRest is the quick answer for nearly every partition: a member leads in its
// epoch, the others are in theirs, and nobody is about to go.
func atRest(p *image.Partition, brokers LiveBrokers, rules ElectionRules) bool {
	led := false
	for _, m := range p.ISR {
		b, live := brokers[m.ID]
		if !live || b.Epoch != m.BrokerEpoch || b.Leaving || !b.has(m.BrokerEpoch) {
			return false
		}
		led = led || m.ID == p.Leader
	}
	return led && !(rules.Preferred && p.Leader != p.Preferred() && p.InSync(p.Preferred()))
}

// membersOf are the ISR in the order of the replicas, the preferred leader first.
func membersOf(p *image.Partition, brokers LiveBrokers) []member {
	all := make([]member, 0, len(p.ISR))
	for _, m := range p.ISR {
		all = append(all, newMember(m.ID, m.BrokerEpoch, brokers))
	}
	slices.SortStableFunc(all, func(a, b member) int {
		return cmp.Compare(slices.Index(p.Replicas, a.id), slices.Index(p.Replicas, b.id))
	})
	return all
}

func newMember(id protocol.BrokerID, joined protocol.BrokerEpoch, brokers LiveBrokers) member {
	b, live := brokers[id]
	m := member{id: id, joined: joined, joins: b.Epoch}
	switch {
	case !live || joined == -b.Epoch || !b.has(joined):
		m.state, m.joins = memberAbsent, joined
	case joined <= 0 || joined != b.Epoch && joined != b.PreviousEpoch:
		m.state = memberRestarted
	case b.Leaving:
		m.state = memberLeaving
	case joined == b.Epoch:
		m.state = memberSame
	default:
		m.state = memberClean
	}
	return m
}

// stay keeps the members of the best kind there is; if those are absent ones,
// nobody may lead.
func stay(members []member, rules ElectionRules) []member {
	up := func(worst memberState) []member {
		return slices.DeleteFunc(slices.Clone(members), func(m member) bool { return m.state > worst })
	}
	for _, worst := range [...]memberState{memberClean, memberLeaving} {
		switch kept := up(worst); {
		case len(kept) > 0 && len(kept) < rules.MinInsync && rules.SyncedAcks:
			return up(memberRestarted)
		case len(kept) > 0:
			return kept
		}
	}
	restarted := up(memberRestarted)
	if rules.SyncedAcks && len(restarted) > 0 || len(restarted) == len(members) {
		// All that was acknowledged is there, or is nowhere else.
		return restarted
	}
	return slices.DeleteFunc(slices.Clone(members), func(m member) bool { return m.state != memberAbsent })
}

// chooseLeader takes the present leader if it may go on, or else the first
// replica that may lead.
func chooseLeader(now *image.Partition, staying []member, rules ElectionRules) member {
	none := member{id: protocol.NoBroker}
	if len(staying) == 0 || staying[0].state == memberAbsent {
		return none
	}
	if at := slices.IndexFunc(staying, func(m member) bool { return m.id == now.Leader }); at >= 0 && !rules.Preferred &&
		staying[at].state == memberSame {
		return staying[at]
	}
	if at := slices.IndexFunc(staying,
		func(m member) bool { return m.state == memberSame || m.state == memberClean }); at >= 0 {
		return staying[at]
	}
	if at := slices.IndexFunc(staying, func(m member) bool { return m.id == now.Leader }); at >= 0 {
		return staying[at]
	}
	return staying[0]
}
