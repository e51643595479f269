package client

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

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
		queue   []*pending
		bytes   int // of the queue
		running bool
		calm    int  // the goroutine waits, and wants no wake below so many bytes; 0: at any
		ended   bool // the client is closed: nothing is taken any more
	}
	wake chan struct{} // one signal: the queue has grown

	// Owned by the goroutine.
	flight   []*shipment // not settled, in the order of their sequences
	flying   int         // of flight
	replies  chan reply
	builder  record.Builder
	leader   int32 // -1: to be asked for
	producer protocol.ProducerID
	epoch    protocol.ProducerEpoch
	next     protocol.Sequence
	tries    int // in a row without any success
	unknown  int // times in a row that the topic was not known
}

func newLane(c *Client, at place) *lane {
	return &lane{c: c, at: at, wake: make(chan struct{}, 1), replies: make(chan reply, c.opts.inFlight),
		leader: -1, producer: protocol.NoProducer}
}

// leave ends the wait for p, and reports whether it may have been sent.
func (l *lane) leave(p *pending) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.gone = true
	return p.taken
}

// enqueue hands p to the lane, unless the client is closed.
func (l *lane) enqueue(p *pending) bool {
	l.mu.Lock()
	if l.mu.ended {
		l.mu.Unlock()
		return false
	}
	l.mu.queue = append(l.mu.queue, p)
	l.mu.bytes += p.bytes
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
			l.flight = append(l.flight[:i], l.flight[i+1:]...)
			return
		}
	}
}

// send makes batches of what waits, as far as they may go out now.
func (l *lane) send() {
	for l.flying < l.c.opts.inFlight && l.ready() {
		if err := l.prepare(); err != nil {
			l.unprepared(err)
			return
		}
		appends := l.take()
		if len(appends) == 0 {
			return
		}
		l.ship(appends)
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

// take takes appends for one batch off the queue.
func (l *lane) take() []*pending {
	appends, expired := l.takeBatch()
	expire(expired)
	return appends
}

func (l *lane) takeBatch() (appends, expired []*pending) {
	l.mu.Lock()
	defer l.mu.Unlock()
	bytes, most, used := 0, math.MaxInt, 0
	for _, p := range l.mu.queue {
		if p.alone > 0 {
			most = min(most, p.alone)
		}
		n := len(appends)
		if n > 0 && (bytes+p.bytes > l.c.opts.batchBytes || n >= most || p.id != "" && p.id == appends[n-1].id) {
			break // neighbours of one id would be one append
		}
		used++
		l.mu.bytes -= p.bytes
		if p.expired() {
			expired = append(expired, p)
			continue
		}
		p.taken = true
		bytes += p.bytes
		appends = append(appends, p)
	}
	rest := copy(l.mu.queue, l.mu.queue[used:])
	clear(l.mu.queue[rest:])
	l.mu.queue = l.mu.queue[:rest]
	return appends, expired
}

// ship gives a batch its sequence and sends it.
func (l *lane) ship(appends []*pending) {
	s := &shipment{appends: appends, culprit: -1}
	if err := s.build(&l.builder, &l.c.opts, l.producer, l.epoch, l.next); err != nil {
		for _, p := range appends {
			p.finish(Result{}, fmt.Errorf("encode the append: %w", err))
		}
		return
	}
	l.next = protocol.Sequence((int64(l.next) + int64(s.records)) & math.MaxInt32)
	l.flight = append(l.flight, s)
	l.launch(s)
}

// launch sends a batch and returns when it is on its way, so that the next one
// follows it.
func (l *lane) launch(s *shipment) {
	s.state, s.first = flying, l.flight[0] == s
	req := newProduce(l.at, s.bytes, int32(l.c.opts.requestTimeout.Milliseconds()))
	leader := l.leader
	if !l.c.start(func() { l.replies <- l.c.ship(leader, s, req) }) {
		s.state = again
		return
	}
	l.flying++
	<-req.encoded
}

// prepare sees to a leader and a producer id.
func (l *lane) prepare() (err error) {
	if l.leader < 0 {
		if l.leader, err = l.c.leader(l.at); err == nil && l.leader < 0 {
			err = kerr.LeaderNotAvailable
		}
		if err != nil {
			l.leader = -1
			return err
		}
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
		for _, p := range l.takeAll() {
			p.finish(Result{}, err)
		}
		l.unknown = 0
		return
	}
	l.backOff()
	l.dropExpired()
}

// mayPass reports whether trying again may help: a broker that cannot be
// reached may be back.
func mayPass(err error) bool {
	return !ofBroker(err) || kerr.IsRetriable(err)
}

func (l *lane) takeAll() []*pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.mu.queue
	l.mu.queue, l.mu.bytes = nil, 0
	return all
}

// dropExpired takes appends off the queue that nobody waits for any more.
func (l *lane) dropExpired() {
	l.mu.Lock()
	var expired []*pending
	kept := l.mu.queue[:0]
	for _, p := range l.mu.queue {
		if p.expired() {
			l.mu.bytes -= p.bytes
			expired = append(expired, p)
			continue
		}
		kept = append(kept, p)
	}
	clear(l.mu.queue[len(kept):])
	l.mu.queue = kept
	l.mu.Unlock()
	expire(expired)
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

func (l *lane) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.c.ctx.Done():
	}
}

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
	for _, p := range l.takeAll() {
		p.finish(Result{}, ErrClosed)
	}
}
