package client

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// lane is the way of one partition's appends to its leader. Its goroutine runs
// while it holds any.
//
// Batches go out in the order of their sequences, several at a time. When one
// does not come back with its verdicts, nothing new is sent until all that are
// in flight have answered; then what happened to the first of them decides:
//
//	again       all unsettled ones are sent again, in order
//	disordered  the broker has lost the sequence: a new producer id
//	failed      the append to blame gets its error, the others go back to the
//	            queue, and the producer's epoch rises, so that no request of
//	            before, wherever it may linger, can be executed any more
//
// An append goes back to the queue only if no request that carried it is in
// doubt, or if its lock-id would make a second arrival a repeat. Otherwise its
// result is unknown, and is said to be.
type lane struct {
	c  *Client
	at place

	mu struct {
		sync.Mutex
		queue   []*shipment // appends join the last one, unless it is sealed
		bytes   int         // of the queue
		now     clock
		running bool
		calm    int  // the goroutine waits, and wants no wake below so many bytes; 0: at any
		ended   bool // the client is closed: nothing is taken any more
	}
	wake chan struct{} // one signal: the queue has grown

	// Owned by the goroutine.
	flight   []*shipment // not settled, in the order of their sequences
	flying   int         // of flight
	replies  chan reply
	leader   leadership // leaderless: to be asked for
	newest   *newest
	producer protocol.ProducerID
	epoch    protocol.ProducerEpoch
	next     protocol.Sequence
	tries    int // in a row without any success
	unknown  int // times in a row that the topic was not known
}

func newLane(c *Client, at place, newest *newest) *lane {
	return &lane{c: c, at: at, wake: make(chan struct{}, 1), replies: make(chan reply, c.opts.inFlight),
		leader: leaderless, newest: newest, producer: protocol.NoProducer}
}

// enqueue writes an append into the last batch that waits, unless the client is
// closed. The caller has a slot for it.
func (l *lane) enqueue(p pending, recs []*kgo.Record, locks []record.Header) bool {
	bytes := sizeOf(recs, locks)
	l.mu.Lock()
	if l.mu.ended {
		l.mu.Unlock()
		return false
	}
	l.waiting(&p, bytes).add(p, bytes, recs, locks, &l.mu.now)
	l.mu.bytes += bytes
	start := !l.mu.running
	l.mu.running = true
	calm := l.mu.bytes < l.mu.calm
	l.mu.Unlock()
	switch {
	case start && !l.c.start(l.run):
		l.drain() // nobody else will
	case !start && !calm:
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// waiting is the batch that p joins. The lane's mu is held.
func (l *lane) waiting(p *pending, bytes int) *shipment {
	if n := len(l.mu.queue); n > 0 && !l.c.opts.plain && l.mu.queue[n-1].takes(p, bytes, l.c.opts.batchBytes) {
		return l.mu.queue[n-1]
	}
	s := newShipment(l)
	l.mu.queue = append(l.mu.queue, s)
	l.mu.now.pass()
	return s
}

func (l *lane) run() {
	for l.c.ctx.Err() == nil {
		if l.flying == 0 && len(l.flight) > 0 {
			l.recover()
		}
		if len(l.flight) == l.flying { // nothing is unsettled
			l.send()
		}
		if l.idle() {
			return
		}
		l.wait()
	}
	l.drain()
}

// idle ends the lane when it holds nothing.
func (l *lane) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.running = len(l.mu.queue) > 0 || len(l.flight) > 0
	return !l.mu.running
}

// wait waits for a reply, or for more to send.
func (l *lane) wait() {
	if l.flying == 0 {
		return // the queue holds what comes next
	}
	if !l.calmDown() {
		return
	}
	select {
	case r := <-l.replies:
		l.settle(r)
	case <-l.wake:
	case <-l.c.ctx.Done():
	}
}

// calmDown lets appends come in without a wake each until they are worth a
// batch, and reports whether they are not yet. While as many requests are in
// flight as may be, only a reply matters.
func (l *lane) calmDown() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	full := l.flying >= l.c.opts.inFlight || len(l.flight) > l.flying
	if l.mu.calm = l.worthwhile(); full {
		l.mu.calm = math.MaxInt
	}
	return full || l.mu.bytes < l.mu.calm
}

func (l *lane) settle(r reply) {
	l.flying--
	r.settle()
	if r.s.state != done {
		return
	}
	l.tries, l.unknown = 0, 0
	for i, s := range l.flight {
		if s == r.s {
			l.flight = slices.Delete(l.flight, i, i+1)
			s.release()
			return
		}
	}
}

// send sends what waits, as far as it may go out now.
func (l *lane) send() {
	for l.flying < l.c.opts.inFlight && len(l.flight) == l.flying && l.ready() {
		if err := l.prepare(); err != nil {
			l.unprepared(err)
			return
		}
		s, last := l.take()
		switch {
		case s == nil:
		case !l.seal(s):
		case last && l.flying == 0 && s.size <= aloneBytesMax:
			l.settle(l.sendAlone(s))
		default:
			l.launch(s)
		}
	}
}

// A batch that goes out beside others in flight is worth its request from a
// part of the full size on: smaller ones wait for what is in flight, since the
// broker commits them no sooner.
const besideOthers = 4

func (l *lane) worthwhile() int { return max(1, l.c.opts.batchBytes/besideOthers) }

// ready reports whether what waits may go out.
func (l *lane) ready() bool {
	l.mu.Lock()
	n, bytes := len(l.mu.queue), l.mu.bytes
	l.mu.Unlock()
	if l.flying > 0 {
		return bytes >= l.worthwhile()
	}
	if n > 0 && l.c.opts.linger > 0 && bytes < l.c.opts.batchBytes {
		l.sleep(l.c.opts.linger)
	}
	return n > 0
}

// take takes the first batch off the queue, without appends that are not to be
// sent any more; nil if none is left of it. It reports whether it was the last.
func (l *lane) take() (_ *shipment, last bool) {
	l.mu.Lock()
	s := l.mu.queue[0]
	l.mu.queue = slices.Delete(l.mu.queue, 0, 1)
	l.mu.bytes -= s.size
	l.mu.now.pass()
	last = len(l.mu.queue) == 0
	l.mu.Unlock()
	if left := s.take(); left != nil {
		s = l.without(s, left)
	}
	return s, last
}

// without finishes the appends of s that are not to be sent, and returns what
// is left; nil if nothing is.
func (l *lane) without(s *shipment, left []bool) *shipment {
	parts := s.split(len(s.appends), func(i int, _ *pending) bool { return !left[i] })
	for i := range s.appends {
		if left[i] {
			l.c.slots.release(1)
			s.appends[i].expire()
		}
	}
	s.release()
	if len(parts) == 0 {
		return nil
	}
	return parts[0]
}

// seal gives a batch its sequence, and reports whether it can be sent.
func (l *lane) seal(s *shipment) bool {
	sequenced := !l.c.opts.plain || s.appends[0].id == "" // of a plain one its lock-id tells a repeat
	if sequenced {
		s.builder.Producer(l.producer, l.epoch, l.next)
	}
	var err error
	if s.batch, err = s.builder.Seal(); err != nil {
		s.fail(fmt.Errorf("encode the append: %w", err))
		return false
	}
	l.flight = append(l.flight, s)
	if !sequenced {
		return true
	}
	l.next = protocol.Sequence((int64(l.next) + int64(s.builder.Count())) & math.MaxInt32)
	return true
}

// launch sends a batch and returns when it is on its way, so that the next one
// follows it.
func (l *lane) launch(s *shipment) {
	s.state, s.first = flying, l.flight[0] == s
	req, leader := s.request(l.leader.epoch), l.leader.broker
	if !l.c.start(func() { l.replies <- l.c.ship(leader, s, req) }) {
		s.state = again
		return
	}
	l.flying++
	<-req.encoded
}

// aloneBytesMax bounds a batch that is sent alone.
const aloneBytesMax = 16 << 10

// sendAlone sends a batch that nothing waits behind, and waits for its reply:
// that spares a small append the way through a goroutine of its own. What comes
// meanwhile goes out behind it, as it would anyway.
func (l *lane) sendAlone(s *shipment) reply {
	s.state, s.first = flying, true
	l.mu.Lock()
	l.mu.calm = math.MaxInt
	l.mu.Unlock()
	l.flying++
	return l.c.ship(l.leader.broker, s, s.request(l.leader.epoch))
}

// prepare sees to a leader and a producer id.
func (l *lane) prepare() (err error) {
	if l.leader.broker < 0 {
		leader, err := l.c.leader(l.at)
		if err == nil && !l.newest.accept(leader) {
			err = errStaleLeader
		}
		if err != nil {
			return err
		}
		l.leader = leader
	}
	if l.producer == protocol.NoProducer {
		l.producer, l.epoch, err = l.c.producer()
		l.next = 0
		if err != nil {
			l.producer = protocol.NoProducer
		}
	}
	return err
}

// unknownMax is how often a topic may be unknown before its appends are told.
const unknownMax = 8

// unprepared waits after a failed prepare. What was never sent may fail for
// good.
func (l *lane) unprepared(err error) {
	if l.unknown++; !errors.Is(err, kerr.UnknownTopicOrPartition) {
		l.unknown = 0
	}
	if len(l.flight) == 0 && (l.unknown >= unknownMax || !mayPass(err)) {
		for _, s := range l.takeAll() {
			s.fail(err)
		}
		l.unknown = 0
		return
	}
	noteFailure(l.flight, err)
	l.mu.Lock()
	noteFailure(l.mu.queue, err)
	l.mu.Unlock()
	l.backOff()
	l.dropExpired()
}

// noteFailure notes why appends are not done yet.
func noteFailure(batches []*shipment, err error) {
	for _, s := range batches {
		for i := range s.appends {
			s.appends[i].failedOnce(err)
		}
	}
}

// mayPass reports whether trying again may help: a broker that cannot be
// reached may be back.
func mayPass(err error) bool {
	return !ofBroker(err) || kerr.IsRetriable(err)
}

func (l *lane) takeAll() []*shipment {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.mu.queue
	l.mu.queue, l.mu.bytes = nil, 0
	return all
}

// dropExpired takes appends off the queue that nobody waits for any more.
func (l *lane) dropExpired() {
	var expired []*pending
	l.mu.Lock()
	var kept []*shipment
	for _, s := range l.mu.queue {
		if !slices.ContainsFunc(s.appends, func(p pending) bool { return p.expired() }) {
			kept = append(kept, s)
			continue
		}
		l.mu.bytes -= s.size
		for _, part := range s.split(len(s.appends), func(_ int, p *pending) bool {
			if p.expired() {
				expired = append(expired, p)
				return false
			}
			return true
		}) {
			part.sealed = s.sealed
			l.mu.bytes += part.size
			kept = append(kept, part)
		}
	}
	l.mu.queue = kept
	l.mu.Unlock()
	l.c.slots.release(len(expired))
	for _, p := range expired {
		p.expire()
	}
}

const (
	backOffMin = 5 * time.Millisecond
	backOffMax = time.Second
)

// backOff waits longer from try to try. The first one after a success is not
// waited for: a connection that broke is nothing to wait for.
func (l *lane) backOff() {
	l.tries++
	if l.tries == 1 {
		return
	}
	l.sleep(min(backOffMax, backOffMin<<min(l.tries-2, 10)))
}

func (l *lane) sleep(d time.Duration) { _ = sleep(l.c.ctx, d, nil) }

// drain answers all that is left when the client is closed.
func (l *lane) drain() {
	for ; l.flying > 0; l.flying-- {
		r := <-l.replies
		r.settle()
	}
	for _, s := range l.flight {
		if s.state != done {
			s.unknown(ErrClosed)
		}
	}
	l.flight = nil
	l.mu.Lock()
	l.mu.ended = true
	l.mu.Unlock()
	for _, s := range l.takeAll() {
		s.fail(ErrClosed)
	}
}
