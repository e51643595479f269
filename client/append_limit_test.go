package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// TestSlotsAreServedInOrder of those who wait, and a release of many serves many.
func TestSlotsAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newAppendLimit(2)
		var mu sync.Mutex
		var served []int
		for i := range 6 {
			go func() {
				if err := l.acquire(t.Context(), t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				served = append(served, i)
			}()
			synctest.Wait()
		}
		for _, n := range []int{1, 0, 2, 1} {
			l.giveBack(n)
			synctest.Wait()
			if slices.Max(served) != len(served)-1 {
				t.Errorf("served %v", served)
			}
		}
		if len(served) != 6 || l.mu.free != 0 || len(l.mu.waiters) != 0 {
			t.Errorf("served %v, %d free, %d in line", served, l.mu.free, len(l.mu.waiters))
		}
	})
}

// TestNoSlotIsLostByWhoLeavesTheLine, at whatever moment. Method: many wait
// with contexts that end while room is released.
func TestNoSlotIsLostByWhoLeavesTheLine(t *testing.T) {
	const free, users = 3, 50
	l := newAppendLimit(free)
	closed, closing := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range users {
		all.Go(func() {
			for range 200 {
				ctx, cancel := context.WithCancel(t.Context())
				if rand.IntN(2) == 0 {
					go cancel()
				}
				switch err := l.acquire(ctx, closed); {
				case err == nil:
					l.giveBack(1)
				case !errors.Is(err, context.Canceled) && !errors.Is(err, ErrClosed):
					t.Error(err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if l.mu.free != free || len(l.mu.waiters) != 0 {
		t.Errorf("%d of %d are free, %d in line", l.mu.free, free, len(l.mu.waiters))
	}
	for range free {
		if err := l.acquire(t.Context(), closed); err != nil {
			t.Fatal(err)
		}
	}
	closing()
	if err := l.acquire(t.Context(), closed); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
