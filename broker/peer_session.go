package broker

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/broker/replication"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

const (
	// peerUnsentMax is how many of a follower's requests may wait for their answers
	// to be sent; one that keeps to replication.InFlightMax never gets there.
	peerUnsentMax = 2 * replication.InFlightMax
	// peerWatermarkDelay is how long a higher high watermark may wait for records
	// to go with.
	peerWatermarkDelay = 10 * time.Millisecond
)

// errPeerFenced ends a connection in the midst of an answer: the bytes that were
// sent may not be those of the epoch that they were promised in.
var errPeerFenced = errors.New("the partition's leadership ended while its records were sent to a follower")

// peerSessions is what the sessions of all followers share.
type peerSessions struct {
	throttle atomic.Pointer[rate.Limiter] // of what goes to replicas that are not in sync; nil: none
	logged   *rate.Limiter
}

func newPeerSessions() *peerSessions {
	return &peerSessions{logged: rate.NewLimiter(rate.Every(time.Second), refusalsLoggedAtOnce)}
}

// setThrottle bounds what this broker sends to replicas that are not in sync, in
// bytes a second; settings.Unthrottled lets them have all that there is.
func (s *peerSessions) setThrottle(bytesPerSecond int64) {
	s.throttle.Store(throttleOf(bytesPerSecond))
}

// throttleOf is the limiter of a rate in bytes a second; nil for none.
func throttleOf(bytesPerSecond int64) *rate.Limiter {
	if bytesPerSecond == settings.Unthrottled {
		return nil
	}
	return rate.NewLimiter(rate.Limit(bytesPerSecond), replication.LaggingBytesMax)
}

// peerSession is the leader's side of a connection by which another broker
// follows it: an incremental fetch session (KIP-227) that lives as long as the
// connection.
//
//	reader ─► requests ─► run: listed partitions ─► their loops ─► told ┐
//	                       ▲                                            │
//	  a partition moved ─► woken ◄──────────────────────────────────────┘
//	                       run: the parked request is answered ─► outbox
//
// A request lists the partitions whose fetches are new. Each fetch is answered
// once, when there is something to say; until then its partition costs nothing.
// The answer to request n is made when requests up to n, and none behind it, are
// taken in: by that a follower knows which of its fetches it answers.
//
// run owns everything but what mu guards.
type peerSession struct {
	srv      *Server
	next     int32        // the session epoch that the next request must have; the reader's
	unsent   atomic.Int32 // answers that are not sent, and requests that wait
	requests chan *peerRequest
	signal   chan struct{} // something is in woken
	quit     chan struct{}
	ended    chan struct{}

	mu struct {
		sync.Mutex
		woken []*peerPart // each once
	}

	parts     map[protocol.TopicPartition]*peerPart
	parked    *peerRequest // is to be answered; nil: none
	from      protocol.Member
	inSync    partQueue // have records for a follower that is in sync, or something urgent
	lagging   partQueue // have records for one that is not
	behind    []*peerPart
	heartbeat *time.Timer   // the parked request must be answered
	due       bool          // it has rung
	renewed   time.Time     // when renew was called last
	later     *time.Timer   // what is in behind must be told
	throttle  *time.Timer   // the lagging may have more
	ownLimit  *rate.Limiter // the follower's own, of ownRate; nil: none
	ownRate   int64
}

func newPeerSession(s *Server) *peerSession {
	ps := &peerSession{
		srv: s, requests: make(chan *peerRequest), signal: make(chan struct{}, 1),
		quit: make(chan struct{}), ended: make(chan struct{}), parts: map[protocol.TopicPartition]*peerPart{},
		heartbeat: stoppedTimer(), later: stoppedTimer(), throttle: stoppedTimer(),
		ownRate: settings.Unthrottled,
	}
	go ps.run()
	return ps
}

func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// close ends the session and waits for it. The reader calls it, nil or not, when
// it reads no more: a request that is parked would hold the connection up.
func (ps *peerSession) close() {
	if ps == nil {
		return
	}
	close(ps.quit)
	<-ps.ended
	ps.srv.peers.ConnectionEnded(ps.from)
}

func (ps *peerSession) run() {
	defer close(ps.ended)
	defer ps.end()
	for {
		var tellBehind bool
		select {
		case q := <-ps.requests:
			ps.take(q)
		case <-ps.signal:
		case <-ps.heartbeat.C:
			ps.due = true
		case <-ps.later.C:
			tellBehind = true
		case <-ps.throttle.C:
		case <-ps.quit:
			return
		}
		ps.hear()
		if tellBehind {
			ps.tellBehind()
		}
		ps.answer()
	}
}

// end lets go of all partitions, and of the request that waits.
func (ps *peerSession) end() {
	for _, part := range ps.parts {
		part.leave()
	}
	if ps.parked != nil {
		ps.finish(ps.newAnswer())
	}
	ps.heartbeat.Stop()
	ps.later.Stop()
	ps.throttle.Stop()
}

// take takes a request in. The one before it is answered as it stands.
func (ps *peerSession) take(q *peerRequest) {
	ps.unsent.Add(1)
	if ps.parked != nil {
		ps.finish(ps.newAnswer())
	}
	ps.parked, ps.from, ps.due = q, q.from, false
	ps.heartbeat.Reset(min(fetchWaitMax, max(0, time.Duration(q.waitMs)*time.Millisecond)))
	for _, id := range q.forgotten {
		if part := ps.parts[id]; part != nil {
			part.leave()
			delete(ps.parts, id)
		}
	}
	for i := range q.listed {
		ps.list(&q.listed[i])
	}
	if time.Since(ps.renewed) >= replication.HeartbeatInterval {
		ps.renewed = time.Now()
		ps.renew()
	}
}

// renew tells the partitions that their follower is still there, where it is not
// in sync and has all that there is: it sends no fetch that would say so, and
// who is silent is not brought into sync.
func (ps *peerSession) renew() {
	for _, part := range ps.parts {
		if part.state == peerWaits && part.fetch.From == ps.from && !part.host.State().InSync(ps.from.ID) {
			part.ask()
		}
	}
}

// list takes in a partition's new fetch, which takes the place of an older one.
func (ps *peerSession) list(l *peerListing) {
	t := ps.srv.hosted.TopicByID(l.id.Topic)
	host := t.Partition(l.id.Index)
	part := ps.parts[l.id]
	if part == nil || part.host != host || part.topic != t {
		if part != nil {
			part.leave()
		}
		part = &peerPart{session: ps, topic: t, host: host, id: l.id, toldStart: protocol.None}
		ps.parts[l.id] = part
		part.join()
	}
	part.fetch, part.toldHW, part.toldStart = l.fetch, l.hw, max(part.toldStart, l.start)
	part.ask()
}

// hear goes over the partitions that have moved.
func (ps *peerSession) hear() {
	ps.mu.Lock()
	woken := ps.mu.woken
	ps.mu.woken = nil
	for _, part := range woken {
		part.told.woken = false
	}
	ps.mu.Unlock()
	for _, part := range woken {
		part.look()
	}
}

// tellBehind has the followers' high watermarks told.
func (ps *peerSession) tellBehind() {
	for _, part := range ps.behind {
		part.isBehind = false
		if part.state == peerWaits {
			ps.inSync.push(part)
			part.state = peerReady
		}
	}
	ps.behind = ps.behind[:0]
}

// wake puts part among those to look at. Callers hold mu.
func (ps *peerSession) wake(part *peerPart) {
	if part.told.woken {
		return
	}
	part.told.woken = true
	ps.mu.woken = append(ps.mu.woken, part)
	select {
	case ps.signal <- struct{}{}:
	default:
	}
}

// partQueue is partitions that have something to say, in the order of their
// coming: one that was answered comes back behind the others.
type partQueue struct{ parts []*peerPart }

func (q *partQueue) push(part *peerPart) {
	if !part.queued {
		part.queued = true
		q.parts = append(q.parts, part)
	}
}

// unpush puts back what was just popped.
func (q *partQueue) unpush(part *peerPart) {
	part.queued = true
	q.parts = append([]*peerPart{part}, q.parts...)
}

// pop takes the first one that still has something to say; nil: none has.
func (q *partQueue) pop() *peerPart {
	for len(q.parts) > 0 {
		part := q.parts[0]
		q.parts[0] = nil
		q.parts = q.parts[1:]
		if part.queued = false; part.state == peerReady {
			return part
		}
	}
	q.parts = nil
	return nil
}
