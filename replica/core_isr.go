package replica

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// isrProposals are the ISR changes whose fate is not known (KIP-497).
//
// An answer that was lost may have been yes. So whoever was proposed counts as
// in sync until the partition epoch has moved: then every proposal made at the
// old one has either become the state or never will. A proposal that seems lost
// is not waited for; the next one, which may ask for the present ISR once more,
// moves the epoch and so settles it.
type isrProposals struct {
	waiting bool             // for an answer
	maybe   protocol.Members // were proposed at the present partition epoch
	retryMs int64            // nothing is proposed before
}

func (p *isrProposals) mayHave(id protocol.BrokerID) bool { return p.maybe.Has(id) }

// applyISR takes a new ISR of the same epoch into force.
func (c *Core) applyISR(nowMs int64) {
	c.leading.isr = isrProposals{}
	c.commit()
	c.advanceConfirmed()
	c.reviewISR(nowMs)
}

// ISRAnswered tells the outcome of an CoreAlterISR. done is false for a
// refusal and for an unknown outcome alike; every change is answered once.
func (c *Core) ISRAnswered(change protocol.ISRChange, done bool, nowMs int64) {
	if c.role != RoleLeader || change.LeaderEpoch != c.partition.LeaderEpoch ||
		change.PartitionEpoch != c.partition.PartitionEpoch {
		return
	}
	if done {
		c.partition.ISR, c.partition.PartitionEpoch = change.ISR, change.PartitionEpoch+1
		c.applyISR(nowMs)
		return
	}
	c.leading.isr.waiting = false
	c.leading.isr.retryMs = nowMs + c.o.RetryMs
	for _, m := range change.Added {
		// It may be gone. Until it fetches again, what is proposed is what there is.
		if f := c.leading.follower(m.ID); f != nil {
			f.refused = true
		}
	}
}

// reviewISR proposes the ISR that ought to be, unless it is so or was asked for.
func (c *Core) reviewISR(nowMs int64) {
	p := &c.leading.isr
	if p.waiting || nowMs < p.retryMs {
		return
	}
	change := protocol.ISRChange{LeaderEpoch: c.partition.LeaderEpoch, PartitionEpoch: c.partition.PartitionEpoch}
	for _, id := range c.partition.Replicas {
		m, in, was := c.desiredMember(id, nowMs)
		if !in {
			continue
		}
		change.ISR = append(change.ISR, m)
		if !was {
			change.Added = append(change.Added, m)
		}
	}
	if len(p.maybe) == 0 && len(change.Added) == 0 && len(change.ISR) == len(c.partition.ISR) {
		return
	}
	// From here on they count as in sync, although the metadata may refuse them: the
	// answer can be lost after the metadata has accepted, and an election may then
	// choose one of them.
	p.waiting = true
	for _, m := range change.Added {
		if !slices.Contains(p.maybe, m) {
			p.maybe = append(p.maybe, m)
		}
	}
	if len(p.maybe) == 0 {
		// A shrink: should it be lost, the next proposal has to settle it all the same.
		p.maybe = append(p.maybe, c.o.Self)
	}
	c.emit(CoreEffect{Kind: CoreAlterISR, ISR: change})
}

// desiredMember reports whether a replica is to be in sync, as which member, and
// whether it is. A member stays until it lags for too long. Another replica
// comes in when it has all that is committed and all that was there when the
// epoch began: a new leader's high watermark may be behind what its
// predecessor had committed, the log end at which it began is not.
func (c *Core) desiredMember(id protocol.BrokerID, nowMs int64) (m protocol.Member, in, was bool) {
	at := c.partition.ISR.Index(id)
	if at >= 0 {
		m = c.partition.ISR[at]
	}
	if id == c.o.Self.ID {
		return m, true, true
	}
	f := c.leading.follower(id)
	lags := nowMs-f.caughtUpMs > c.o.LagMaxMs && f.synced < c.o.Log.End()
	if at >= 0 {
		return m, !lags, true
	}
	silent := nowMs-f.fetchedMs > c.o.LagMaxMs
	caughtUp := f.synced >= c.highWatermark && f.synced >= c.leading.start
	return f.Member, f.BrokerEpoch > 0 && caughtUp && !silent && !f.refused, false
}

// isrMayChange reports whether time alone may change the ISR, or a proposal
// waits to be repeated.
func (c *Core) isrMayChange(nowMs int64) bool {
	if len(c.leading.isr.maybe) > 0 || c.leading.isr.retryMs > nowMs {
		return true
	}
	for i := range c.leading.followers {
		f := &c.leading.followers[i]
		if c.partition.InSync(f.ID) && f.synced < c.o.Log.End() {
			return true
		}
	}
	return false
}
