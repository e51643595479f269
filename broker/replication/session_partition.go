package replication

import (
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// fetchState is where the fetch of a partition in a session is.
type fetchState uint8

const (
	fetchIdle    fetchState = iota // answered: the follower is to fetch again
	fetchAsked                     // the partition's loop is to judge it
	fetchWaiting                   // it is right, and there is nothing to say yet
	fetchReady                     // it is in a queue
	fetchGone                      // the follower has left it
)

// sessionPartition is one partition in a session.
//
//	listed ─► asked ─► waiting ─► ready ─► idle
//	            └── an error ────────▲
//
// run owns all but told, which mu of the session guards.
type sessionPartition struct {
	session *Session
	id      protocol.TopicPartition
	topic   *partitions.Topic     // nil: unknown here
	host    *partitions.Partition // nil, or broken: not here

	state     fetchState
	fetch     replica.Fetch
	answer    replica.FetchAnswer // of the partition's loop, to fetch
	toldHW    protocol.Offset     // what the follower knows
	toldStart protocol.Offset
	queued    bool // it is in inSync or lagging
	isDelayed bool // it is in delayed

	told struct {
		moved  bool // it is in the session's moved
		asked  int  // counts the questions
		answer replica.FetchAnswer
		fresh  bool // answer is to the latest question, and not looked at yet
	}
}

// join has the partition tell this part when it moves.
func (part *sessionPartition) join() {
	if part.host.IsOpen() {
		part.host.Watch(part)
	}
}

// leave is the end of the part.
func (part *sessionPartition) leave() {
	part.state = fetchGone
	if part.host.IsOpen() {
		part.host.Unwatch(part)
	}
}

// Wake implements replica.Waker; it is called by the partition's loop.
func (part *sessionPartition) Wake() {
	part.session.mu.Lock()
	defer part.session.mu.Unlock()
	part.session.noteMoved(part)
}

// ask has the partition's loop judge the fetch: by it the loop learns what the
// follower has on its disk.
func (part *sessionPartition) ask() {
	part.state = fetchAsked
	part.session.mu.Lock()
	part.told.asked++
	part.told.fresh = false
	asked := part.told.asked
	part.session.mu.Unlock()
	switch {
	case !part.host.IsOpen():
		part.judged(asked, part.absent())
		return
	case part.leaves():
		part.state = fetchIdle
		return
	}
	part.host.Fetched(part.fetch, func(a replica.FetchAnswer) { part.judged(asked, a) })
}

// leaves reports whether the follower is about to stop and out of sync already.
// Hearing from it now, the leader would want it in sync again.
func (part *sessionPartition) leaves() bool {
	b, live := part.session.all.o.Cluster.Image().Broker(part.fetch.From.ID)
	return live && b.Leaving && !part.host.State().InSync(part.fetch.From.ID)
}

// absent is the answer where the partition is not, or not open.
func (part *sessionPartition) absent() replica.FetchAnswer {
	a := replica.FetchAnswer{Fetch: part.fetch, Err: replica.ErrNotLeader}
	a.HighWatermark, a.LogStart = protocol.None, protocol.None
	if part.host != nil && part.host.Broken != nil {
		a.Err = replica.ErrStorage
	}
	return a
}

// judged takes the loop's answer.
func (part *sessionPartition) judged(asked int, a replica.FetchAnswer) {
	ps := part.session
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if part.told.asked == asked {
		part.told.answer, part.told.fresh = a, true
		ps.noteMoved(part)
	}
}

// look finds out what there is to say.
func (part *sessionPartition) look() {
	if part.state == fetchAsked && !part.takeJudgement() {
		return
	}
	if part.state != fetchWaiting {
		return
	}
	switch st := part.host.State(); {
	case !part.leads(st):
		part.ask() // for the reason
	case part.host.End() > part.fetch.Offset:
		part.state = fetchReady
		if st.InSync(part.fetch.From.ID) {
			part.session.inSync.push(part)
		} else {
			part.session.lagging.push(part)
		}
	case part.host.Round() > part.fetch.Round:
		part.answerNow()
	case min(part.host.HighWatermark(), part.fetch.Offset) > part.toldHW || part.host.Start() > part.toldStart:
		part.session.tellLater(part)
	}
}

// leads reports whether this broker still leads in the epoch of the fetch.
func (part *sessionPartition) leads(st *replica.State) bool {
	return st.Role == replica.RoleLeader && st.Epoch == part.fetch.Epoch
}

// takeJudgement takes in what the loop said of the fetch, and reports whether it did.
func (part *sessionPartition) takeJudgement() bool {
	part.session.mu.Lock()
	fresh, a := part.told.fresh, part.told.answer
	part.told.fresh = false
	part.session.mu.Unlock()
	if !fresh {
		return false
	}
	part.answer, part.state = a, fetchWaiting
	if a.Err != nil || a.Diverging {
		part.answerNow()
	}
	return true
}

// answerNow has the part answered at once.
func (part *sessionPartition) answerNow() {
	part.state = fetchReady
	part.session.inSync.push(part)
}

// tellLater has the part told of a higher high watermark soon, or together with
// records that come first.
func (ps *Session) tellLater(part *sessionPartition) {
	if part.isDelayed {
		return
	}
	part.isDelayed = true
	if ps.delayed = append(ps.delayed, part); len(ps.delayed) == 1 {
		ps.delay.Reset(watermarkDelay)
	}
}
