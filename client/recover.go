package client

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lockstep-log/lockstep/protocol"
)

// recover decides what becomes of the batches in flight, none of which is
// under way and none settled.
func (l *lane) recover() {
	first := l.flight[0]
	switch {
	case l.abandoned():
		// Their callers were told that they do not know. Nobody else ever will.
		for _, s := range l.flight {
			s.unknown(s.cause)
		}
		l.flight = nil
		l.raiseEpoch()
	case first.state == failed:
		l.flight = l.flight[1:]
		l.failed(first)
		l.rewind()
		l.raiseEpoch()
	case first.state == disordered && first.first:
		l.rewind()
		l.producer = protocol.NoProducer
		l.backOff()
	case first.state == disordered:
		l.resend() // what was missing before it has been settled since
	case l.nothingWritten():
		// They wait as if they had never been sent: whoever leaves knows the outcome.
		noteFailure(l.flight, first.cause)
		l.rewind()
		l.raiseEpoch()
		l.backOff()
		l.dropExpired()
		l.findLeaderAfter(first)
	default:
		noteFailure(l.flight, first.cause)
		l.backOff()
		l.dropExpired()
		l.findLeaderAfter(first)
		if l.c.ctx.Err() == nil && l.prepare() == nil {
			l.resend()
		}
	}
}

// findLeaderAfter has the leader asked for, or takes the one that was named, unless a
// connection just broke for the first time.
func (l *lane) findLeaderAfter(s *shipment) {
	if l.tries > 1 || ofBroker(s.cause) {
		l.leader = l.follow(s.elsewhere)
	}
}

// follow is the leader that a broker has named which does not lead, if that is news;
// else it has to be asked for.
func (l *lane) follow(named leadership) leadership {
	if named.broker >= 0 && named.epoch > l.leader.epoch && l.newest.accept(named) {
		return named
	}
	return leaderless
}

// ofBroker reports whether an error is a broker's answer, and not the lack of one.
func ofBroker(err error) bool {
	var ke *kerr.Error
	return errors.As(err, &ke)
}

// abandoned reports whether nobody waits for any append in flight.
func (l *lane) abandoned() bool {
	for _, s := range l.flight {
		for i := range s.appends {
			if !s.appends[i].left() {
				return false
			}
		}
	}
	return true
}

// nothingWritten reports whether brokers have answered, for every batch in flight
// and every time, that nothing of it was written.
func (l *lane) nothingWritten() bool {
	for _, s := range l.flight {
		if s.state != again || s.doubt || slices.ContainsFunc(s.appends, func(p pending) bool { return p.doubt }) {
			return false
		}
	}
	return true
}

// resend sends the batches again, in their order, up to one that has failed.
func (l *lane) resend() {
	for _, s := range l.flight {
		if s.state == failed {
			return
		}
		l.launch(s)
	}
}

// failed deals with a batch that the broker refused as a whole: with the
// append to blame, if the broker blames one, else with ever smaller parts.
func (l *lane) failed(s *shipment) {
	place, first := s.blamed()
	var rest []*shipment
	switch {
	case place >= 0:
		rest = s.split(len(s.appends), func(i int, _ *pending) bool { return i != place })
		l.c.slots.release(1)
		s.appends[place].refused(l.at, first, s.cause.Error())
	case len(s.appends) == 1:
		s.fail(s.cause)
	default:
		rest = s.split((len(s.appends)+1)/2, func(int, *pending) bool { return true })
	}
	l.flight = append(rest, l.flight...)
}

// rewind puts the appends in flight back into the queue, at its front. What is
// in doubt and has no id can only be told to be unknown.
func (l *lane) rewind() {
	var back []*shipment
	bytes := 0
	for _, s := range l.flight {
		for _, part := range l.keep(s) {
			part.doubt, part.cause = false, nil // of what is kept its appends know it
			back = append(back, part)
			bytes += part.size
		}
	}
	l.flight = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.bytes += bytes
	l.mu.queue = append(back, l.mu.queue...)
}

// keep is what of a shipment may be sent once more under another sequence.
func (l *lane) keep(s *shipment) []*shipment {
	var unknown []*pending
	parts := s.split(len(s.appends), func(_ int, p *pending) bool {
		if s.doubt && p.id == "" {
			unknown = append(unknown, p)
			return false
		}
		p.doubt = p.doubt || s.doubt
		if p.call != nil && !p.doubt {
			p.call.untake()
		}
		return true
	})
	l.c.slots.release(len(unknown))
	for _, p := range unknown {
		p.finish(Result{}, fmt.Errorf("%w: %w", ErrUnknownResult, s.cause))
	}
	return parts
}

// raiseEpoch begins a new sequence. A broker that has seen the new epoch takes
// nothing of the old one any more.
func (l *lane) raiseEpoch() {
	l.next = 0
	if l.epoch == math.MaxInt16 {
		l.producer = protocol.NoProducer
		return
	}
	l.epoch++
}
