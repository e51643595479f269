package broker

import (
	"context"
	"errors"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/store"
)

const (
	// unregisterTimeout bounds how long a broker that stops tries to say so.
	unregisterTimeout = 2 * time.Second
	// hintsFor is how long a broker that others have taken over from goes on
	// answering: clients learn from it who leads now, and need not ask around.
	hintsFor = 100 * time.Millisecond
)

// leave hands this broker's leaderships to others, as far as there are any, and
// returns when it leads nothing that somebody else could lead. It goes on
// serving meanwhile.
func (s *Server) leave(ctx context.Context) {
	if !s.isReady() || len(s.cluster.Image().Brokers()) < 2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.LeaveTimeout)
	defer cancel()
	began := time.Now()
	led := s.leads(s.cluster.Image())
	err := s.cluster.Leave(ctx)
	for err == nil {
		changed := s.cluster.Changed()
		if s.leads(s.cluster.Image()) == 0 {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err == nil {
		err = s.hosted.Settle(ctx)
	}
	if err != nil {
		s.log.Warn("stopping without having handed all leaderships over", "left", s.leads(s.cluster.Image()), "error", err)
		return
	}
	s.log.Info("leaderships are handed over", "partitions", led, "in", time.Since(began).Round(time.Millisecond).String())
	if led > 0 {
		select {
		case <-time.After(hintsFor):
		case <-ctx.Done():
		}
	}
}

// leads counts the partitions that this broker leads and another could.
func (s *Server) leads(im *image.Image) (n int) {
	for _, t := range im.Topics() {
		for i := range t.Partitions {
			if p := &t.Partitions[i]; p.Leader == s.cfg.NodeID && s.replaceable(im, p) {
				n++
			}
		}
	}
	return n
}

// replaceable reports whether another member of the ISR could lead.
func (s *Server) replaceable(im *image.Image, p *image.Partition) bool {
	for _, m := range p.ISR {
		if b, live := im.Broker(m.ID); live && m.ID != s.cfg.NodeID && !b.Leaving {
			return true
		}
	}
	return false
}

// noteCleanShutdown comes after the partitions were closed.
func (s *Server) noteCleanShutdown() error {
	if s.hosted == nil {
		return nil
	}
	return s.hosted.NoteCleanShutdown()
}

// unregister tells the others that this broker is gone. If it cannot, they
// notice by themselves: that is no failure of a broker that stops.
func (s *Server) unregister() error {
	ctx, cancel := context.WithTimeout(context.Background(), unregisterTimeout)
	defer cancel()
	err := s.cluster.Close(ctx)
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("stopped without telling the metadata store", "error", err)
		return nil
	}
	return err
}
