package client

import (
	"context"
	"slices"
	"sync"
)

// appendLimit bounds the appends that a client holds: a semaphore that serves in order
// those who wait. A batch releases all of its appends at once.
type appendLimit struct {
	mu struct {
		sync.Mutex
		free    int
		waiters []chan struct{} // capacity 1; who waits, in order; none while any is free
	}
}

func newAppendLimit(n int) *appendLimit {
	l := new(appendLimit)
	l.mu.free = n
	return l
}

// acquire waits until one more append may be held, or until ctx or the client ends.
func (l *appendLimit) acquire(ctx, client context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.mu.free > 0 {
		l.mu.free--
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{}, 1)
	l.mu.waiters = append(l.mu.waiters, turn)
	l.mu.Unlock()
	var err error
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-client.Done():
		err = ErrClosed
	}
	l.cancelWait(turn)
	return err
}

// cancelWait gives up a place among the waiters, or what was granted at the last moment.
func (l *appendLimit) cancelWait(turn chan struct{}) {
	l.mu.Lock()
	at := slices.Index(l.mu.waiters, turn)
	if at >= 0 {
		l.mu.waiters = slices.Delete(l.mu.waiters, at, at+1)
	}
	l.mu.Unlock()
	if at < 0 {
		l.giveBack(1)
	}
}

// giveBack says that n appends are held no more.
func (l *appendLimit) giveBack(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	served := min(n, len(l.mu.waiters))
	for _, turn := range l.mu.waiters[:served] {
		turn <- struct{}{}
	}
	l.mu.waiters = slices.Delete(l.mu.waiters, 0, served)
	l.mu.free += n - served
}
