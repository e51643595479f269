package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// hotSubject are writers of one subject, each with a connection of its own:
// read the last message, publish what follows on condition that it still is
// the last, and read again when it is not. That is how NATS's key-value
// buckets are updated.
type hotSubject struct {
	counters
	subject string
	backoff bool
	writers []*hotPublisher
}

type hotPublisher struct {
	*publisher
	stream jetstream.Stream
}

// The waits of a writer that backs off are random up to a bound that doubles.
const (
	waitMin = 200 * time.Microsecond
	waitMax = 20 * time.Millisecond
)

func newHotSubject(ctx context.Context, at place, n int, backoff bool) (session, error) {
	h := &hotSubject{subject: at.name + "." + hotLock, backoff: backoff}
	for range n {
		p, err := newPublisher(at)
		if err != nil {
			return nil, errors.Join(err, h.disconnect())
		}
		w := &hotPublisher{publisher: p}
		h.writers = append(h.writers, w)
		if w.stream, err = p.Stream(ctx, at.name); err != nil {
			return nil, errors.Join(err, h.disconnect())
		}
	}
	return h, nil
}

func (h *hotSubject) run(ctx context.Context, d time.Duration) (result, error) {
	return h.counters.run(ctx, len(h.writers), d, func(ctx context.Context, i int) (int64, error) {
		for tries := int64(1); ; tries++ {
			n, last, err := h.writers[i].read(ctx, h.subject)
			if err != nil {
				return tries, err
			}
			_, refused, err := h.writers[i].publish(ctx, h.subject, last, counted(n+1))
			if err != nil || !refused {
				return tries, err
			}
			if h.backoff {
				time.Sleep(rand.N(min(waitMax, waitMin<<min(tries-1, 10))))
			}
		}
	})
}

// read returns the number of the last message and its sequence.
func (w *hotPublisher) read(ctx context.Context, subject string) (n int64, seq uint64, err error) {
	m, err := w.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, err
	}
	return number(m.Data), m.Sequence, nil
}

func (h *hotSubject) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), stuckAfter)
	defer cancel()
	last, _, err := h.writers[0].read(ctx, h.subject)
	return errors.Join(err, h.check(last), h.disconnect())
}

func (h *hotSubject) disconnect() (err error) {
	for _, w := range h.writers {
		err = errors.Join(err, w.publisher.close())
	}
	return err
}
