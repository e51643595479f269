package load

import (
	"context"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// paced sends by a schedule, one request every gap from first on. A request
// that finds no free slot waits, and its latency has counted since it was due.
// The sender owns a slot until it is written, the reader until it is answered.
func (l *lane) paced(ctx context.Context, left *budget, first time.Time, gap time.Duration) error {
	g, ctx := errgroup.WithContext(ctx)
	free := make(chan *slot, len(l.slots))
	sent := make(chan *slot, len(l.slots))
	for _, s := range l.slots {
		free <- s
	}
	g.Go(func() error {
		defer close(sent)
		return l.send(ctx, left, first, gap, free, sent)
	})
	g.Go(func() error {
		for s := range sent {
			if err := l.finish(s); err != nil {
				return err
			}
			free <- s
		}
		return nil
	})
	return g.Wait()
}

func (l *lane) send(ctx context.Context, left *budget, due time.Time, gap time.Duration, free <-chan *slot, sent chan<- *slot) error {
	for ; left.take(due); due = due.Add(gap) {
		time.Sleep(time.Until(due))
		var s *slot
		select {
		case s = <-free:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		s.due = due
		buffers := net.Buffers{s.head, s.next(l.turns)}
		if _, err := buffers.WriteTo(l.Conn); err != nil {
			return err
		}
		sent <- s
	}
	return nil
}
