package client

import (
	"context"
	"slices"
	"sync"
)

// slots bounds the appends that a client holds. Who finds none free waits in
// line; a batch gives back its own all at once.
type slots struct {
	mu struct {
		sync.Mutex
		free int
		line []chan struct{} // capacity 1; who waits, in order; none while any is free
	}
}

func newSlots(n int) *slots {
	s := new(slots)
	s.mu.free = n
	return s
}

// acquire waits for a slot, until ctx or the client ends.
func (s *slots) acquire(ctx, client context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.mu.free > 0 {
		s.mu.free--
		s.mu.Unlock()
		return nil
	}
	turn := make(chan struct{}, 1)
	s.mu.line = append(s.mu.line, turn)
	s.mu.Unlock()
	var err error
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-client.Done():
		err = ErrClosed
	}
	s.leave(turn)
	return err
}

// leave gives up a place in line, or the slot that it came to at the last moment.
func (s *slots) leave(turn chan struct{}) {
	s.mu.Lock()
	at := slices.Index(s.mu.line, turn)
	if at >= 0 {
		s.mu.line = slices.Delete(s.mu.line, at, at+1)
	}
	s.mu.Unlock()
	if at < 0 {
		s.release(1)
	}
}

// release gives back n slots.
func (s *slots) release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	served := min(n, len(s.mu.line))
	for _, turn := range s.mu.line[:served] {
		turn <- struct{}{}
	}
	s.mu.line = slices.Delete(s.mu.line, 0, served)
	s.mu.free += n - served
}
