package broker

import (
	"github.com/lockstep-log/lockstep/broker/partitions"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

// peerState is where the fetch of a partition in a session is.
type peerState uint8

const (
	peerIdle  peerState = iota // answered: the follower is to fetch again
	peerAsks                   // the partition's loop is to judge it
	peerWaits                  // it is right, and there is nothing to say yet
	peerReady                  // it is in a queue
	peerGone                   // the follower has left it
)

// peerPart is one partition in a session.
//
//	listed ─► asks ─► waits ─► ready ─► idle
//	            └── an error ────▲
//
// run owns all but told, which mu of the session guards.
type peerPart struct {
	session *peerSession
	id      protocol.TopicPartition
	topic   *partitions.Topic     // nil: unknown here
	host    *partitions.Partition // nil, or broken: not here

	state     peerState
	fetch     replica.Fetch
	answer    replica.FetchAnswer // of the partition's loop, to fetch
	toldHW    protocol.Offset     // what the follower knows
	toldStart protocol.Offset
	queued    bool // it is in inSync or lagging
	isBehind  bool // it is in behind

	told struct {
		woken  bool // it is in woken
		asked  int  // counts the questions
		answer replica.FetchAnswer
		fresh  bool // answer is to the latest question, and not looked at yet
	}
}

func (part *peerPart) open() bool { return part.host.IsOpen() }

// join has the partition wake this part when it moves.
func (part *peerPart) join() {
	if part.open() {
		part.host.Watch(part)
	}
}

// leave is the end of the part.
func (part *peerPart) leave() {
	part.state = peerGone
	if part.open() {
		part.host.Unwatch(part)
	}
}

// Wake is called by the partition's loop.
func (part *peerPart) Wake() {
	part.session.mu.Lock()
	defer part.session.mu.Unlock()
	part.session.wake(part)
}

// ask has the partition's loop judge the fetch: by it the loop learns what the
// follower has on its disk.
func (part *peerPart) ask() {
	part.state = peerAsks
	part.session.mu.Lock()
	part.told.asked++
	part.told.fresh = false
	asked := part.told.asked
	part.session.mu.Unlock()
	switch {
	case !part.open():
		part.judged(asked, part.absent())
		return
	case part.leaves():
		part.state = peerIdle
		return
	}
	part.host.Fetched(part.fetch, func(a replica.FetchAnswer) { part.judged(asked, a) })
}

// leaves reports whether the follower is about to stop and out of sync already.
// Hearing from it now, the leader would want it in sync again.
func (part *peerPart) leaves() bool {
	b, live := part.session.srv.cluster.Image().Broker(part.fetch.From.ID)
	return live && b.Leaving && !part.host.State().InSync(part.fetch.From.ID)
}

// absent is the answer where the partition is not, or not open.
func (part *peerPart) absent() replica.FetchAnswer {
	a := replica.FetchAnswer{Fetch: part.fetch, Err: replica.ErrNotLeader, HighWatermark: protocol.None, LogStart: protocol.None}
	if part.host != nil && part.host.Broken != nil {
		a.Err = replica.ErrStorage
	}
	return a
}

// judged takes the loop's answer.
func (part *peerPart) judged(asked int, a replica.FetchAnswer) {
	ps := part.session
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if part.told.asked == asked {
		part.told.answer, part.told.fresh = a, true
		ps.wake(part)
	}
}

// look finds out what there is to say.
func (part *peerPart) look() {
	if part.state == peerAsks && !part.heard() {
		return
	}
	if part.state != peerWaits {
		return
	}
	switch st := part.host.State(); {
	case !part.leads(st):
		part.ask() // for the reason
	case part.host.End() > part.fetch.Offset:
		part.state = peerReady
		if st.InSync(part.fetch.From.ID) {
			part.session.inSync.push(part)
		} else {
			part.session.lagging.push(part)
		}
	case part.host.Round() > part.fetch.Round:
		part.hurry()
	case min(part.host.HighWatermark(), part.fetch.Offset) > part.toldHW || part.host.Start() > part.toldStart:
		part.session.fallBehind(part)
	}
}

// leads reports whether this broker still leads in the epoch of the fetch.
func (part *peerPart) leads(st *replica.State) bool {
	return st.Role == replica.RoleLeader && st.Epoch == part.fetch.Epoch
}

// heard takes in what the loop said of the fetch, and reports whether it did.
func (part *peerPart) heard() bool {
	part.session.mu.Lock()
	fresh, a := part.told.fresh, part.told.answer
	part.told.fresh = false
	part.session.mu.Unlock()
	if !fresh {
		return false
	}
	part.answer, part.state = a, peerWaits
	if a.Err != nil || a.Diverging {
		part.hurry()
	}
	return true
}

// hurry has the part answered at once.
func (part *peerPart) hurry() {
	part.state = peerReady
	part.session.inSync.push(part)
}

// fallBehind has the part told of a higher high watermark soon, or together with
// records that come first.
func (ps *peerSession) fallBehind(part *peerPart) {
	if part.isBehind {
		return
	}
	part.isBehind = true
	if ps.behind = append(ps.behind, part); len(ps.behind) == 1 {
		ps.later.Reset(peerWatermarkDelay)
	}
}
