package replica

import (
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/protocol"
)

// following is what a follower knows beyond the metadata.
type following struct {
	waiting    bool  // for the answer to asked
	round      int64 // of the leader's last answer
	asked      Fetch // one at a time: it acknowledges what came with the one before
	sentMs     int64
	retryMs    int64 // no fetch before, after one was refused
	truncating bool  // a truncation was asked for
	// What the leader said is committed; the log may not reach there yet.
	committed protocol.Offset
}

// fetch asks for what comes next. A fetch acknowledges all below its offset,
// so there is none while something below the log's end is not synced.
func (c *Core) fetch(nowMs int64) {
	w := &c.following
	end := c.o.Log.End()
	leaderless := c.partition.Leader == protocol.NoBroker || c.partition.Leader == c.o.Self.ID
	if leaderless || w.waiting || w.truncating || c.synced < end || nowMs < w.retryMs || !c.partition.Hosts(c.o.Self.ID) {
		return
	}
	w.waiting, w.sentMs = true, nowMs
	w.asked = Fetch{
		From: c.o.Self, Epoch: c.partition.LeaderEpoch, Offset: end, LastEpoch: c.o.Log.LatestEpoch(), Round: w.round,
	}
	c.emit(CoreEffect{Kind: CoreFetch, Fetch: w.asked})
}

// refetch gives up on an answer that does not come.
func (c *Core) refetch(nowMs int64) {
	if w := &c.following; w.waiting && nowMs-w.sentMs >= c.o.FetchTimeoutMs {
		w.waiting = false
	}
	c.fetch(nowMs)
}

// expects reports whether an answer is the one that is waited for.
func (c *Core) expects(a *FetchAnswer) bool {
	return c.role == RoleFollower && c.following.waiting && a.Fetch == c.following.asked
}

// FetchAnswered takes in the leader's answer. One to a fetch that is no longer
// waited for says nothing any more: the epoch, or the log, has moved on.
func (c *Core) FetchAnswered(a FetchAnswer, nowMs int64) {
	w := &c.following
	if !c.expects(&a) {
		return
	}
	w.waiting, w.round = false, max(w.round, a.Round)
	switch {
	case errors.Is(a.Err, ErrOffsetOutOfRange) && a.Fetch.Offset < a.LogStart:
		// The leader no longer has what would come next.
		c.requestTruncation(CoreEffect{Kind: CoreRestart, Offset: a.LogStart})
	case a.Err != nil:
		w.retryMs = nowMs + c.o.RetryMs
	case a.Diverging:
		c.diverge(a, nowMs)
	default:
		w.committed = max(w.committed, a.HighWatermark)
		if a.HasBatches {
			c.emit(CoreEffect{Kind: CoreAppend})
			return
		}
		c.followWatermark()
		c.fetch(nowMs)
	}
}

// diverge cuts off what the leader does not have. Where this log has not even
// the leader's epoch, it is cut back to what it has of earlier ones, and the
// next fetch goes on from there (KIP-279).
func (c *Core) diverge(a FetchAnswer, nowMs int64) {
	to := c.o.Log.Start()
	if a.DivergingEpoch >= 0 {
		_, to = c.epochEnd(a.DivergingEpoch)
		to = min(to, a.DivergingEnd)
	}
	switch {
	case to < c.highWatermark:
		c.Failed(fmt.Errorf("%w: high watermark %d, and leader epoch %d of broker %d shares the log up to %d",
			ErrCommittedLost, c.highWatermark, c.partition.LeaderEpoch, c.partition.Leader, to), nowMs)
	case to >= c.o.Log.End():
		// It parts where both agree: no leader of ours says so.
		c.following.retryMs = nowMs + c.o.RetryMs
	default:
		c.requestTruncation(CoreEffect{Kind: CoreTruncate, Offset: to})
	}
}

func (c *Core) requestTruncation(e CoreEffect) {
	c.following.truncating = true
	c.emit(e)
}

// followWatermark moves the high watermark to what the leader said, as far as
// the log has it.
func (c *Core) followWatermark() {
	if hw := min(c.following.committed, c.o.Log.End()); hw > c.highWatermark {
		c.highWatermark = hw
		c.emit(CoreEffect{Kind: CoreCommit, Offset: hw})
	}
}
