package replication

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
)

const (
	// unsentMax is how many of a follower's requests may wait for their answers
	// to be sent; one that keeps to inFlightMax never gets there.
	unsentMax = 2 * inFlightMax
	// watermarkDelay is how long a higher high watermark may wait for records
	// to go with.
	watermarkDelay = 10 * time.Millisecond
	// waitMax bounds how long a follower may have its fetch wait.
	waitMax = 30 * time.Second
)

// errFenced ends a connection in the midst of an answer: the bytes that were
// sent may not be those of the epoch that they were promised in.
var errFenced = errors.New("the partition's leadership ended while its records were sent to a follower")

// Session is the leader's side of a connection by which another broker
// follows it: an incremental fetch session (KIP-227) that lives as long as the
// connection.
//
//	reader ─► requests ─► run: listed partitions ─► their loops ─► told ┐
//	                       ▲                                            │
//	  a partition moved ─► moved ◄──────────────────────────────────────┘
//	                       run: the parked request is answered ─► outbox
//
// A request lists the partitions whose fetches are new. Each fetch is answered
// once, when there is something to say; until then its partition costs nothing.
// The answer to request n is made when requests up to n, and none behind it, are
// taken in: by that a follower knows which of its fetches it answers.
//
// run owns everything but what mu guards.
type Session struct {
	all      *Sessions
	next     int32        // the session epoch that the next request must have; the reader's
	unsent   atomic.Int32 // answers that are not sent, and requests that wait
	requests chan *sessionRequest
	changed  notify.Signal // something is in moved
	quit     chan struct{}
	ended    chan struct{}

	mu struct {
		sync.Mutex
		moved []*sessionPartition // each once
	}

	parts     map[protocol.TopicPartition]*sessionPartition
	parked    *sessionRequest // is to be answered; nil: none
	from      protocol.Member
	inSync    partitionQueue      // have records for a follower that is in sync, or something urgent
	lagging   partitionQueue      // have records for one that is not
	delayed   []*sessionPartition // a higher high watermark is to be told
	heartbeat *time.Timer         // the parked request must be answered
	due       bool                // it has rung
	renewed   time.Time           // when renew was called last
	delay     *time.Timer         // what is in delayed must be told
	throttle  *time.Timer         // the lagging may have more
	ownLimit  *rate.Limiter       // the follower's own, of ownRate; nil: none
	ownRate   int64
}

func newSession(all *Sessions) *Session {
	return &Session{
		all: all, requests: make(chan *sessionRequest), changed: notify.New(),
		quit: make(chan struct{}), ended: make(chan struct{}), parts: map[protocol.TopicPartition]*sessionPartition{},
		heartbeat: stoppedTimer(), delay: stoppedTimer(), throttle: stoppedTimer(),
		ownRate: settings.Unthrottled,
	}
}

// Close ends the session and waits for it. The reader calls it, nil or not, when
// it reads no more: a request that is parked would hold the connection up.
func (ps *Session) Close() {
	if ps == nil {
		return
	}
	close(ps.quit)
	<-ps.ended
	ps.all.o.Peers.ConnectionEnded(ps.from)
}

func (ps *Session) run() {
	defer close(ps.ended)
	defer ps.end()
	for {
		var late bool
		select {
		case q := <-ps.requests:
			ps.accept(q)
		case <-ps.changed:
		case <-ps.heartbeat.C:
			ps.due = true
		case <-ps.delay.C:
			late = true
		case <-ps.throttle.C:
		case <-ps.quit:
			return
		}
		ps.lookAtMoved()
		if late {
			ps.tellDelayed()
		}
		ps.answer()
	}
}

// end lets go of all partitions, and of the request that waits.
func (ps *Session) end() {
	for _, part := range ps.parts {
		part.leave()
	}
	if ps.parked != nil {
		ps.finish(ps.newAnswer())
	}
	ps.heartbeat.Stop()
	ps.delay.Stop()
	ps.throttle.Stop()
}

// accept takes a request in. The one before it is answered as it stands.
func (ps *Session) accept(q *sessionRequest) {
	ps.unsent.Add(1)
	if ps.parked != nil {
		ps.finish(ps.newAnswer())
	}
	ps.parked, ps.from, ps.due = q, q.from, false
	ps.heartbeat.Reset(min(waitMax, max(0, time.Duration(q.waitMs)*time.Millisecond)))
	for _, id := range q.forgotten {
		if part := ps.parts[id]; part != nil {
			part.leave()
			delete(ps.parts, id)
		}
	}
	for i := range q.listed {
		ps.list(&q.listed[i])
	}
	if time.Since(ps.renewed) >= heartbeatInterval {
		ps.renewed = time.Now()
		ps.renew()
	}
}

// renew tells the partitions that their follower is still there, where it is not
// in sync and has all that there is: it sends no fetch that would say so, and
// who is silent is not brought into sync.
func (ps *Session) renew() {
	for _, part := range ps.parts {
		if part.state == fetchWaiting && part.fetch.From == ps.from && !part.host.State().InSync(ps.from.ID) {
			part.ask()
		}
	}
}

// list takes in a partition's new fetch, which takes the place of an older one.
func (ps *Session) list(l *listing) {
	t := ps.all.o.Host.TopicByID(l.id.Topic)
	host := t.Partition(l.id.Index)
	part := ps.parts[l.id]
	if part == nil || part.host != host || part.topic != t {
		if part != nil {
			part.leave()
		}
		part = &sessionPartition{session: ps, topic: t, host: host, id: l.id, toldStart: protocol.None}
		ps.parts[l.id] = part
		part.join()
	}
	part.fetch, part.toldHW, part.toldStart = l.fetch, l.hw, max(part.toldStart, l.start)
	part.ask()
}

// lookAtMoved goes over the partitions that have moved.
func (ps *Session) lookAtMoved() {
	ps.mu.Lock()
	moved := ps.mu.moved
	ps.mu.moved = nil
	for _, part := range moved {
		part.told.moved = false
	}
	ps.mu.Unlock()
	for _, part := range moved {
		part.look()
	}
}

// tellDelayed has the followers' high watermarks told.
func (ps *Session) tellDelayed() {
	for _, part := range ps.delayed {
		part.isDelayed = false
		if part.state == fetchWaiting {
			ps.inSync.push(part)
			part.state = fetchReady
		}
	}
	ps.delayed = ps.delayed[:0]
}

// noteMoved puts part among those to look at. Callers hold mu.
func (ps *Session) noteMoved(part *sessionPartition) {
	if part.told.moved {
		return
	}
	part.told.moved = true
	ps.mu.moved = append(ps.mu.moved, part)
	ps.changed.Notify()
}

// partitionQueue is partitions that have something to say, in the order of their
// coming: one that was answered comes back behind the others.
type partitionQueue struct{ parts []*sessionPartition }

func (q *partitionQueue) push(part *sessionPartition) {
	if !part.queued {
		part.queued = true
		q.parts = append(q.parts, part)
	}
}

// pushFront puts back what was just popped.
func (q *partitionQueue) pushFront(part *sessionPartition) {
	part.queued = true
	q.parts = append([]*sessionPartition{part}, q.parts...)
}

// pop takes the first one that still has something to say; nil: none has.
func (q *partitionQueue) pop() *sessionPartition {
	for len(q.parts) > 0 {
		part := q.parts[0]
		q.parts[0] = nil
		q.parts = q.parts[1:]
		if part.queued = false; part.state == fetchReady {
			return part
		}
	}
	q.parts = nil
	return nil
}
