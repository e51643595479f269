package client

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
)

// recover decides what becomes of the unsettled batches, none of which is in flight
// any more. The first of them decides, since the broker judges them in their order.
func (w *partitionWriter) recover() {
	first := w.unsettled[0]
	switch {
	case w.abandoned():
		// Their callers were told that they do not know. Nobody else ever will.
		for _, b := range w.unsettled {
			b.failUnknown(b.cause)
		}
		w.unsettled = nil
		w.raiseEpoch()
	case first.state == failed:
		// The append to blame fails; of the others nothing is in the log. With a higher epoch
		// no request of before can be executed any more.
		w.unsettled = w.unsettled[1:]
		w.splitFailed(first)
		w.requeue()
		w.raiseEpoch()
	case first.state == outOfSequence && first.sentFirst:
		// Nothing was missing before it, so the broker has forgotten the producer.
		w.requeue()
		w.producer = protocol.NoProducer
		w.backOff()
	case first.state == outOfSequence:
		w.resend() // what was missing before it has been settled since
	case w.nothingWritten():
		// They wait as if they had never been sent: who stops waiting knows the outcome.
		noteFailure(w.unsettled, first.cause)
		w.requeue()
		w.raiseEpoch()
		w.backOff()
		w.dropExpired()
		w.findLeaderAfter(first)
	default:
		// The first may be in the log. The same bytes under the same sequence will tell.
		noteFailure(w.unsettled, first.cause)
		w.backOff()
		w.dropExpired()
		w.findLeaderAfter(first)
		if w.c.ctx.Err() == nil && w.prepare() == nil {
			w.resend()
		}
	}
}

// findLeaderAfter has the leader asked for, or takes the one that was named, unless a
// connection just broke for the first time.
func (w *partitionWriter) findLeaderAfter(b *batch) {
	if w.attempts > 1 || ofBroker(b.cause) {
		w.leader = w.follow(b.redirect)
	}
}

// follow is the leader that a broker has named which does not lead, if that is news;
// else it has to be asked for.
func (w *partitionWriter) follow(named leadership) leadership {
	if named.broker >= 0 && named.epoch > w.leader.epoch && w.epochs.accept(named) {
		return named
	}
	return noLeader
}

// ofBroker reports whether an error is a broker's answer, and not the lack of one.
func ofBroker(err error) bool {
	var ke *kerr.Error
	return errors.As(err, &ke)
}

// abandoned reports whether nobody waits for any append that is not settled.
func (w *partitionWriter) abandoned() bool {
	for _, b := range w.unsettled {
		for i := range b.appends {
			if !b.appends[i].abandoned() {
				return false
			}
		}
	}
	return true
}

// nothingWritten reports whether brokers have answered, for every batch in flight
// and every time, that nothing of it was written.
func (w *partitionWriter) nothingWritten() bool {
	for _, b := range w.unsettled {
		if b.state != retry || b.maybeWritten ||
			slices.ContainsFunc(b.appends, func(p pending) bool { return p.maybeWritten }) {
			return false
		}
	}
	return true
}

// resend sends the batches again, in their order, up to one that has failed.
func (w *partitionWriter) resend() {
	for _, b := range w.unsettled {
		if b.state == failed {
			return
		}
		w.sendAsync(b)
	}
}

// splitFailed deals with a batch that the broker refused as a whole: with the
// append to blame, if the broker blames one, else with ever smaller parts.
func (w *partitionWriter) splitFailed(b *batch) {
	place, first := b.badAppend()
	var rest []*batch
	switch {
	case place >= 0:
		rest = b.split(len(b.appends), func(i int, _ *pending) bool { return i != place })
		w.c.appendLimit.giveBack(1)
		b.appends[place].finishRefused(w.at, first, b.cause.Error())
	case len(b.appends) == 1:
		b.failAll(b.cause)
	default:
		rest = b.split((len(b.appends)+1)/2, func(int, *pending) bool { return true })
	}
	w.unsettled = append(rest, w.unsettled...)
}

// requeue puts the unsettled appends back into the queue, at its front. One that may
// be written and has no id can only be told that its result is unknown.
func (w *partitionWriter) requeue() {
	var back []*batch
	bytes := 0
	for _, b := range w.unsettled {
		for _, part := range w.requeueable(b) {
			part.maybeWritten, part.cause = false, nil // each append of it knows itself
			back = append(back, part)
			bytes += part.size
		}
	}
	w.unsettled = nil
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.bytes += bytes
	w.mu.queue = append(back, w.mu.queue...)
}

// requeueable is what of a batch may be sent once more under another sequence.
func (w *partitionWriter) requeueable(b *batch) []*batch {
	var unknown []*pending
	parts := b.split(len(b.appends), func(_ int, p *pending) bool {
		if b.maybeWritten && p.id == "" {
			unknown = append(unknown, p)
			return false
		}
		p.maybeWritten = p.maybeWritten || b.maybeWritten
		if p.call != nil && !p.maybeWritten {
			p.call.unclaim()
		}
		return true
	})
	w.c.appendLimit.giveBack(len(unknown))
	for _, p := range unknown {
		p.finish(Result{}, fmt.Errorf("%w: %w", ErrUnknownResult, b.cause))
	}
	return parts
}

// raiseEpoch begins a new sequence. A broker that has seen the new epoch takes
// nothing of the old one any more.
func (w *partitionWriter) raiseEpoch() {
	w.next = 0
	if w.epoch == math.MaxInt16 {
		w.producer = protocol.NoProducer
		return
	}
	w.epoch++
}
