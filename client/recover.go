package client

import (
	"errors"
	"math"

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
	default:
		l.backOff()
		if l.tries > 1 || ofBroker(first.cause) {
			l.leader = -1
		}
		if l.c.ctx.Err() == nil && l.prepare() == nil {
			l.resend()
		}
	}
}

// ofBroker reports whether an error is a broker's answer, and not the lack of one.
func ofBroker(err error) bool {
	var ke *kerr.Error
	return errors.As(err, &ke)
}

// abandoned reports whether nobody waits for any append in flight.
func (l *lane) abandoned() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.flight {
		for _, p := range s.appends {
			if !p.gone {
				return false
			}
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
	rest := s.appends
	switch {
	case place >= 0:
		blamed := s.appends[place]
		blamed.refused(first, s.cause.Error())
		rest = append(append([]*pending{}, s.appends[:place]...), s.appends[place+1:]...)
	case len(s.appends) == 1:
		s.appends[0].finish(Result{}, s.cause)
		return
	default:
		for _, p := range s.appends {
			p.alone = (len(s.appends) + 1) / 2
		}
	}
	l.flight = append([]*shipment{{appends: rest, doubt: s.doubt, cause: s.cause}}, l.flight...)
}

// rewind puts the appends in flight back into the queue, at its front.
func (l *lane) rewind() {
	var back []*pending
	for _, s := range l.flight {
		for _, p := range s.appends {
			if s.doubt && p.id == "" {
				(&shipment{appends: []*pending{p}}).unknown(s.cause)
				continue
			}
			back = append(back, p)
		}
	}
	l.flight = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range back {
		p.taken = p.id != "" && p.taken // without an id, no doubt is left
		l.mu.bytes += p.bytes
	}
	l.mu.queue = append(back, l.mu.queue...)
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
