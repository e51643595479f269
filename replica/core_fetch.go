package replica

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// Fetch is what a follower asks its leader for. It says as well: all below
// Offset is on my disk, and the last of it was written in LastEpoch.
type Fetch struct {
	From      protocol.Member
	Epoch     protocol.LeaderEpoch // the leader epoch that the follower follows
	Offset    protocol.Offset
	LastEpoch protocol.LeaderEpoch // -1: its log is empty
	Round     int64                // of the answer before, in this epoch; 0: there was none
}

// FetchAnswer is a leader's answer, less the batches.
type FetchAnswer struct {
	Fetch Fetch // what it answers
	Err   error // ErrNotLeader, ErrFencedEpoch, ErrUnknownEpoch, ErrNotReplica, ErrOffsetOutOfRange
	// Diverging: the follower's log parts from the leader's at or before
	// DivergingEnd, where the leader's records of DivergingEpoch, and of what
	// came before it, end (KIP-595).
	Diverging      bool
	DivergingEpoch protocol.LeaderEpoch
	DivergingEnd   protocol.Offset

	HighWatermark protocol.Offset
	LogStart      protocol.Offset
	Round         int64 // that the leader was in when it answered
	// HasBatches: batches from Fetch.Offset on come with the answer. The driver sets it.
	HasBatches bool
}

// Fetched takes in a follower's fetch: what it acknowledges counts towards the
// high watermark. The answer may be sent at once; a driver that lets a fetch
// wait for more gets a new answer from Answer when it sends.
func (c *Core) Fetched(f Fetch, nowMs int64) FetchAnswer {
	a := c.Answer(f)
	if a.Err == nil && !a.Diverging {
		c.acknowledge(f, nowMs)
		a.HighWatermark = c.highWatermark
	}
	return a
}

// Answer judges a fetch and changes nothing.
func (c *Core) Answer(f Fetch) FetchAnswer {
	a := FetchAnswer{Fetch: f, HighWatermark: protocol.None, LogStart: protocol.None}
	if a.Err = c.refuses(f); a.Err != nil {
		return a
	}
	start, end := c.o.Log.Start(), c.o.Log.End()
	a.HighWatermark, a.LogStart, a.Round = c.highWatermark, start, c.leading.round
	if f.LastEpoch >= 0 {
		// The logs agree up to f.Offset only if this one has the follower's last epoch,
		// and goes at least as far within it.
		e, eEnd := c.epochEnd(f.LastEpoch)
		if e < f.LastEpoch || eEnd < f.Offset {
			a.Diverging, a.DivergingEpoch, a.DivergingEnd = true, e, eEnd
			return a
		}
	}
	if f.Offset < start || f.Offset > end {
		a.Err = ErrOffsetOutOfRange
	}
	return a
}

// refuses is the fence: who asks, of whom, in which epoch.
func (c *Core) refuses(f Fetch) error {
	switch {
	case c.role != RoleLeader:
		return c.notLeader()
	case f.Epoch < c.partition.LeaderEpoch:
		return ErrFencedEpoch
	case f.Epoch > c.partition.LeaderEpoch:
		return ErrUnknownEpoch
	}
	fo := c.leading.follower(f.From.ID)
	if fo == nil || f.From.BrokerEpoch < fo.BrokerEpoch {
		return ErrNotReplica
	}
	return nil
}

// epochEnd is the largest epoch here that is not above the asked one, and
// where it ended. Epochs above the log's newest wrote nothing that is here.
func (c *Core) epochEnd(asked protocol.LeaderEpoch) (protocol.LeaderEpoch, protocol.Offset) {
	if latest := c.o.Log.LatestEpoch(); asked > latest {
		return latest, c.o.Log.End()
	}
	return c.o.Log.EpochEnd(asked)
}

// EpochEnd answers OffsetForLeaderEpoch on the leader (KIP-101, KIP-320). The
// present epoch ends at the log's end although it may have written nothing yet.
func (c *Core) EpochEnd(asked protocol.LeaderEpoch) (protocol.LeaderEpoch, protocol.Offset, error) {
	switch {
	case c.role != RoleLeader:
		return -1, protocol.None, c.notLeader()
	case asked < 0 || asked > c.partition.LeaderEpoch:
		return -1, protocol.None, nil
	case asked == c.partition.LeaderEpoch:
		return asked, c.o.Log.End(), nil
	}
	e, end := c.epochEnd(asked)
	return e, end, nil
}

// leading is what a leader knows beyond the metadata.
type leading struct {
	start     protocol.Offset // the log end at which the epoch began
	end       protocol.Offset // the log end that was last heard of
	followers []follower      // all other replicas, in their order
	isr       isrProposals

	round     int64 // see ConfirmLeadership
	confirmed int64 // <= round
}

// follower is a replica as its leader sees it in this epoch.
type follower struct {
	protocol.Member                 // as it fetched last; broker epoch 0 before it has
	synced          protocol.Offset // it has all below; None before its first fetch
	caughtUpMs      int64           // it has all that the leader had then
	fetchedMs       int64           // its last fetch
	markMs          int64           // some time later than caughtUpMs, and
	markEnd         protocol.Offset // where the leader's log ended then
	round           int64           // of the newest answer that it has seen
	refused         bool            // the metadata did not take it into the ISR; until it fetches again
}

// appended notes that followers who had everything had it until now: one that
// waits for more sends no fetch meanwhile.
func (l *leading) appended(end protocol.Offset, nowMs int64) {
	for i := range l.followers {
		if f := &l.followers[i]; f.synced >= l.end {
			f.caughtUpMs = nowMs
		}
	}
	l.end = end
}

func (l *leading) follower(id protocol.BrokerID) *follower {
	i := slices.IndexFunc(l.followers, func(f follower) bool { return f.ID == id })
	if i < 0 {
		return nil
	}
	return &l.followers[i]
}

// becomeLeader begins an epoch. What followers had acknowledged to an earlier leader
// does not count: they may have to be truncated first.
func (c *Core) becomeLeader(nowMs int64) {
	c.leading.start = c.o.Log.End()
	c.leading.end = c.leading.start
	c.updateFollowers(nowMs)
	c.commit()
}

// updateFollowers makes the followers the other replicas of the metadata. A reassignment
// changes them within an epoch; what those who stay have acknowledged holds.
func (c *Core) updateFollowers(nowMs int64) {
	l := &c.leading
	before := l.followers
	l.followers = nil
	for _, id := range c.partition.Replicas {
		if id == c.o.Self.ID {
			continue
		}
		f := follower{
			Member: protocol.Member{ID: id}, synced: protocol.None,
			caughtUpMs: nowMs, fetchedMs: nowMs, markMs: nowMs, markEnd: c.o.Log.End(),
		}
		if at := slices.IndexFunc(before, func(f follower) bool { return f.ID == id }); at >= 0 {
			f = before[at]
		}
		l.followers = append(l.followers, f)
	}
}

// acknowledge notes what a follower has on its disk.
func (c *Core) acknowledge(f Fetch, nowMs int64) {
	fo := c.leading.follower(f.From.ID)
	// A restarted broker may have another disk or log, so nothing counts that it
	// acknowledged in an earlier broker epoch.
	if f.From.BrokerEpoch > fo.BrokerEpoch {
		fo.BrokerEpoch, fo.synced, fo.round = f.From.BrokerEpoch, protocol.None, 0
	}
	fo.round, fo.refused = max(fo.round, f.Round), false
	fo.synced = max(fo.synced, f.Offset)
	end := c.o.Log.End()
	if fo.synced >= end {
		fo.caughtUpMs = nowMs
	}
	if fo.synced >= fo.markEnd {
		// However many fetches it took: it is behind by what came since, not by
		// what each of its fetches leaves.
		fo.caughtUpMs = max(fo.caughtUpMs, fo.markMs)
		fo.markMs, fo.markEnd = nowMs, end
	}
	fo.fetchedMs = nowMs
	c.commit()
	c.advanceConfirmed()
	if !c.partition.InSync(fo.ID) {
		c.reviewISR(nowMs)
	}
}

// commit moves the high watermark to the least synced end over every replica
// that the metadata may show in sync. Below min.insync.replicas it stands
// still (KIP-966): what one replica alone has is not safe.
func (c *Core) commit() {
	if len(c.partition.ISR) < c.minInsync() {
		return
	}
	least := c.synced
	for i := range c.leading.followers {
		f := &c.leading.followers[i]
		if c.partition.InSync(f.ID) || c.leading.isr.mayHave(f.ID) {
			least = min(least, f.synced)
		}
	}
	if least > c.highWatermark {
		c.highWatermark = least
		c.emit(CoreEffect{Kind: CoreCommit, Offset: least})
	}
}
