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

// partitionWriter sends the appends of one partition to its leader. Its goroutine
// runs while it holds any.
//
// Batches go out in the order of their sequences, several at a time. When one
// does not come back with its verdicts, nothing new is sent until all that are
// in flight have answered; then what happened to the first of them decides:
//
//	retry          all unsettled ones are sent again, in order
//	outOfSequence  the broker has lost the sequence: a new producer id
//	failed         the append to blame gets its error, the others go back to the
//	               queue, and the producer's epoch rises, so that no earlier
//	               request, wherever it may linger, can be executed any more
//
// An append goes back to the queue only if no request that carried it may have
// been written, or if its lock-id would make a second arrival a repeat. Otherwise
// its result is unknown, and it is told so.
type partitionWriter struct {
	c  *Client
	at place

	mu struct {
		sync.Mutex
		queue         []*batch // appends join the last one, unless it is sealed
		bytes         int      // of the queue
		clock         clock
		running       bool
		wakeThreshold int  // bytes of the queue from which the goroutine is to be woken; 0: any
		ended         bool // the client is closed: no append is accepted any more
	}
	wake chan struct{} // capacity 1: the queue has grown

	// Owned by the goroutine.
	unsettled    []*batch // not settled, in the order of their sequences
	inFlight     int      // of unsettled
	replies      chan reply
	leader       leadership // noLeader: to be asked for
	epochs       *knownEpoch
	producer     protocol.ProducerID
	epoch        protocol.ProducerEpoch
	next         protocol.Sequence
	attempts     int // in a row without any success
	unknownTopic int // times in a row that the topic was not known
}

func newPartitionWriter(c *Client, at place, newest *knownEpoch) *partitionWriter {
	return &partitionWriter{c: c, at: at, wake: make(chan struct{}, 1), replies: make(chan reply, c.opts.inFlight),
		leader: noLeader, epochs: newest, producer: protocol.NoProducer}
}

// enqueue writes an append into the last batch that waits, unless the client is
// closed. The caller has reserved room for it in the append limit.
func (w *partitionWriter) enqueue(p pending, recs []*kgo.Record, locks []record.Header) bool {
	bytes := sizeOf(recs, locks)
	w.mu.Lock()
	if w.mu.ended {
		w.mu.Unlock()
		return false
	}
	w.openBatch(&p, bytes).appendRecords(p, bytes, recs, locks, &w.mu.clock)
	w.mu.bytes += bytes
	start := !w.mu.running
	w.mu.running = true
	below := w.mu.bytes < w.mu.wakeThreshold
	w.mu.Unlock()
	switch {
	case start && !w.c.startGoroutine(w.writeAll):
		w.drain() // the client is closed, and no goroutine will do it
	case !start && !below:
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	return true
}

// openBatch is the batch that p joins. The writer's mu is held.
func (w *partitionWriter) openBatch(p *pending, bytes int) *batch {
	if n := len(w.mu.queue); n > 0 && !w.c.opts.plain && w.mu.queue[n-1].accepts(p, bytes, w.c.opts.batchBytes) {
		return w.mu.queue[n-1]
	}
	b := newBatch(w)
	w.mu.queue = append(w.mu.queue, b)
	w.mu.clock.invalidate()
	return b
}

func (w *partitionWriter) writeAll() {
	for w.c.ctx.Err() == nil {
		if w.inFlight == 0 && len(w.unsettled) > 0 {
			w.recover() // every request has ended, and some without verdicts
		}
		if len(w.unsettled) == w.inFlight { // no request has ended without verdicts
			w.send()
		}
		if w.idle() {
			return
		}
		w.waitForReply()
	}
	w.drain()
}

// idle ends the writer when it holds nothing.
func (w *partitionWriter) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.running = len(w.mu.queue) > 0 || len(w.unsettled) > 0
	return !w.mu.running
}

// waitForReply waits for a reply, or for more to send.
func (w *partitionWriter) waitForReply() {
	if w.inFlight == 0 {
		return // the queue holds what comes next
	}
	if !w.raiseWakeThreshold() {
		return
	}
	select {
	case r := <-w.replies:
		w.settleReply(r)
	case <-w.wake:
	case <-w.c.ctx.Done():
	}
}

// raiseWakeThreshold lets appends come in without a wake each until they are worth a
// batch, and reports whether they are not yet. While as many requests are in
// flight as may be, only a reply matters.
func (w *partitionWriter) raiseWakeThreshold() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	full := w.inFlight >= w.c.opts.inFlight || len(w.unsettled) > w.inFlight
	if w.mu.wakeThreshold = w.batchWorthSending(); full {
		w.mu.wakeThreshold = math.MaxInt
	}
	return full || w.mu.bytes < w.mu.wakeThreshold
}

func (w *partitionWriter) settleReply(r reply) {
	w.inFlight--
	r.apply()
	if r.batch.state != settled {
		return
	}
	w.attempts, w.unknownTopic = 0, 0
	for i, b := range w.unsettled {
		if b == r.batch {
			w.unsettled = slices.Delete(w.unsettled, i, i+1)
			b.recycle()
			return
		}
	}
}

// send sends what waits, as far as it may go out now.
func (w *partitionWriter) send() {
	for w.inFlight < w.c.opts.inFlight && len(w.unsettled) == w.inFlight && w.mayDequeue() {
		if err := w.prepare(); err != nil {
			w.prepareFailed(err)
			return
		}
		// Not before there is a leader: until then what waits can still fail as never sent.
		b, last := w.dequeue()
		switch {
		case b == nil:
		case !w.seal(b):
			// Nothing waits behind it: this goroutine may as well wait for the answer, and none is woken.
		case last && w.inFlight == 0 && b.size <= inlineBytesMax:
			w.settleReply(w.sendInline(b))
		default:
			w.sendAsync(b)
		}
	}
}

// A batch that goes out beside others in flight is worth its request from a
// part of the full size on: smaller ones wait for what is in flight, since the
// broker commits them no sooner.
const besideOthers = 4

func (w *partitionWriter) batchWorthSending() int { return max(1, w.c.opts.batchBytes/besideOthers) }

// mayDequeue reports whether what waits may go out.
func (w *partitionWriter) mayDequeue() bool {
	w.mu.Lock()
	n, bytes := len(w.mu.queue), w.mu.bytes
	w.mu.Unlock()
	if w.inFlight > 0 {
		return bytes >= w.batchWorthSending()
	}
	if n > 0 && w.c.opts.linger > 0 && bytes < w.c.opts.batchBytes {
		w.sleep(w.c.opts.linger)
	}
	return n > 0
}

// dequeue takes the first batch off the queue, without appends that are not to be
// sent any more; nil if none remains. It reports whether it was the last.
func (w *partitionWriter) dequeue() (_ *batch, last bool) {
	w.mu.Lock()
	b := w.mu.queue[0]
	w.mu.queue = slices.Delete(w.mu.queue, 0, 1)
	w.mu.bytes -= b.size
	w.mu.clock.invalidate()
	last = len(w.mu.queue) == 0
	w.mu.Unlock()
	if dropped := b.claim(); dropped != nil {
		b = w.dropAppends(b, dropped)
	}
	return b, last
}

// dropAppends finishes the appends of a batch that are not to be sent, and returns what
// remains; nil if nothing does.
func (w *partitionWriter) dropAppends(b *batch, dropped []bool) *batch {
	parts := b.split(len(b.appends), func(i int, _ *pending) bool { return !dropped[i] })
	for i := range b.appends {
		if dropped[i] {
			w.c.appendLimit.giveBack(1)
			b.appends[i].finishExpired()
		}
	}
	b.recycle()
	if len(parts) == 0 {
		return nil
	}
	return parts[0]
}

// seal gives a batch its sequence, and reports whether it can be sent.
func (w *partitionWriter) seal(b *batch) bool {
	sequenced := !w.c.opts.plain || b.appends[0].id == "" // of a plain one its lock-id tells a repeat
	if sequenced {
		b.builder.Producer(w.producer, w.epoch, w.next)
	}
	var err error
	if b.encoded, err = b.builder.Seal(); err != nil {
		b.failAll(fmt.Errorf("encode the append: %w", err))
		return false
	}
	w.unsettled = append(w.unsettled, b)
	if !sequenced {
		return true
	}
	w.next = protocol.Sequence((int64(w.next) + int64(b.builder.Count())) & math.MaxInt32)
	return true
}

// sendAsync sends a batch and returns when it is on its way, so that the next one
// follows it.
func (w *partitionWriter) sendAsync(b *batch) {
	b.state, b.sentFirst = inFlight, w.unsettled[0] == b
	req, leader := b.request(w.leader.epoch), w.leader.broker
	if !w.c.startGoroutine(func() { w.replies <- w.c.roundTrip(leader, b, req) }) {
		b.state = retry
		return
	}
	w.inFlight++
	<-req.encoded
}

// inlineBytesMax bounds a batch that is sent inline.
const inlineBytesMax = 16 << 10

// sendInline sends a batch that nothing waits behind, and waits for its reply:
// that spares a small append the way through a goroutine of its own. What comes
// meanwhile goes out behind it, as it would anyway.
func (w *partitionWriter) sendInline(b *batch) reply {
	b.state, b.sentFirst = inFlight, true
	w.mu.Lock()
	w.mu.wakeThreshold = math.MaxInt
	w.mu.Unlock()
	w.inFlight++
	return w.c.roundTrip(w.leader.broker, b, b.request(w.leader.epoch))
}

// prepare sees to a leader and a producer id.
func (w *partitionWriter) prepare() (err error) {
	if w.leader.broker < 0 {
		leader, err := w.c.leader(w.at)
		if err == nil && !w.epochs.accept(leader) {
			err = errStaleLeader
		}
		if err != nil {
			return err
		}
		w.leader = leader
	}
	if w.producer == protocol.NoProducer {
		w.producer, w.epoch, err = w.c.producer()
		w.next = 0
		if err != nil {
			w.producer = protocol.NoProducer
		}
	}
	return err
}

// unknownMax is how often a topic may be unknown before its appends are told.
const unknownMax = 8

// prepareFailed waits after a failed prepare. What was never sent may fail for
// good.
func (w *partitionWriter) prepareFailed(err error) {
	if w.unknownTopic++; !errors.Is(err, kerr.UnknownTopicOrPartition) {
		w.unknownTopic = 0
	}
	if len(w.unsettled) == 0 && (w.unknownTopic >= unknownMax || !mayPass(err)) {
		for _, b := range w.takeAll() {
			b.failAll(err)
		}
		w.unknownTopic = 0
		return
	}
	noteFailure(w.unsettled, err)
	w.mu.Lock()
	noteFailure(w.mu.queue, err)
	w.mu.Unlock()
	w.backOff()
	w.dropExpired()
}

// noteFailure notes why appends are not done yet.
func noteFailure(batches []*batch, err error) {
	for _, b := range batches {
		for i := range b.appends {
			b.appends[i].failedOnce(err)
		}
	}
}

// mayPass reports whether trying again may help: a broker that cannot be
// reached may be back.
func mayPass(err error) bool {
	return !ofBroker(err) || kerr.IsRetriable(err)
}

func (w *partitionWriter) takeAll() []*batch {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.mu.queue
	w.mu.queue, w.mu.bytes = nil, 0
	return all
}

// dropExpired takes appends off the queue that nobody waits for any more.
func (w *partitionWriter) dropExpired() {
	var expired []*pending
	w.mu.Lock()
	var kept []*batch
	for _, b := range w.mu.queue {
		if !slices.ContainsFunc(b.appends, func(p pending) bool { return p.expired() }) {
			kept = append(kept, b)
			continue
		}
		w.mu.bytes -= b.size
		for _, part := range b.split(len(b.appends), func(_ int, p *pending) bool {
			if p.expired() {
				expired = append(expired, p)
				return false
			}
			return true
		}) {
			part.sealed = b.sealed
			w.mu.bytes += part.size
			kept = append(kept, part)
		}
	}
	w.mu.queue = kept
	w.mu.Unlock()
	w.c.appendLimit.giveBack(len(expired))
	for _, p := range expired {
		p.finishExpired()
	}
}

const (
	backOffMin = 5 * time.Millisecond
	backOffMax = time.Second
)

// backOff waits longer from try to try. The first one after a success is not
// waited for: a connection that broke is nothing to wait for.
func (w *partitionWriter) backOff() {
	w.attempts++
	if w.attempts == 1 {
		return
	}
	w.sleep(min(backOffMax, backOffMin<<min(w.attempts-2, 10)))
}

func (w *partitionWriter) sleep(d time.Duration) { _ = sleep(w.c.ctx, d, nil) }

// drain answers all that remains when the client is closed.
func (w *partitionWriter) drain() {
	for ; w.inFlight > 0; w.inFlight-- {
		r := <-w.replies
		r.apply()
	}
	for _, b := range w.unsettled {
		if b.state != settled {
			b.failUnknown(ErrClosed)
		}
	}
	w.unsettled = nil
	w.mu.Lock()
	w.mu.ended = true
	w.mu.Unlock()
	for _, b := range w.takeAll() {
		b.failAll(ErrClosed)
	}
}
