package broker

import (
	"context"
	"errors"
	"testing"
	"time"
)

// waits starts to acquire n bytes and returns when it is known to wait.
func waits(t *testing.T, b *budget, n int64) (granted chan error) {
	t.Helper()
	granted = make(chan error, 1)
	before := waiting(b, laneOf(n))
	go func() { granted <- b.acquire(t.Context(), n) }()
	for waiting(b, laneOf(n)) == before {
		time.Sleep(time.Millisecond)
	}
	return granted
}

func waiting(b *budget, lane int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mu.waiting[lane])
}

func has(t *testing.T, b *budget, n int64) {
	t.Helper()
	if err := b.acquire(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestASmallRequestDoesNotWaitBehindLargeOnes(t *testing.T) {
	b := newBudget(64 << 20)
	has(t, b, 32<<20) // all that the large may have
	large := waits(t, b, 8<<20)
	has(t, b, 1<<20)
	has(t, b, 1<<10)
	b.release(32 << 20)
	if err := <-large; err != nil {
		t.Error(err)
	}
}

func TestASmallRequestDoesNotWaitBehindMediumOnes(t *testing.T) {
	b := newBudget(16 << 20)
	for range 7 {
		has(t, b, 2<<20)
	}
	medium := waits(t, b, 1<<20)
	has(t, b, 64<<10)
	b.release(2 << 20)
	if err := <-medium; err != nil {
		t.Error(err)
	}
}

func TestALargeRequestIsNotStarvedByMediumOnes(t *testing.T) {
	b := newBudget(16 << 20)
	for range 7 {
		has(t, b, 2<<20)
	}
	large := waits(t, b, 8<<20)
	medium := waits(t, b, 2<<20)
	for range 4 {
		b.release(2 << 20)
	}
	if err := <-large; err != nil {
		t.Error(err)
	}
	b.release(8 << 20)
	if err := <-medium; err != nil {
		t.Error(err)
	}
}

func TestAWaitThatIsGivenUpHoldsNothing(t *testing.T) {
	b := newBudget(16 << 20)
	has(t, b, 8<<20)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.acquire(ctx, 4<<20) }()
	for waiting(b, laneLarge) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	b.release(8 << 20)
	has(t, b, 8<<20)
}

func TestTheSlowestArrivalIsCutAndTheFastIsNot(t *testing.T) {
	b := newBudget(16 << 20)
	began := time.Unix(1000, 0)
	cut := map[string]bool{}
	arrives := func(name string, have int64) *arrival {
		a := &arrival{began: began, have: have, cut: func() { cut[name] = true }}
		b.arrive(a)
		return a
	}
	arrives("fast", 100<<20)
	arrives("slow", 1000)
	gone := arrives("gone", 0)
	b.arrived(gone)
	arrives("slowest", 10)
	b.cutSlowest(began.Add(cutGrace / 2))
	if len(cut) != 0 {
		t.Errorf("cut within the grace: %v", cut)
	}
	now := began.Add(2 * cutGrace)
	b.cutSlowest(now)
	if len(cut) != 1 || !cut["slowest"] {
		t.Errorf("cut %v", cut)
	}
	b.cutSlowest(now)
	b.cutSlowest(now)
	if len(cut) != 2 || !cut["slow"] {
		t.Errorf("cut %v", cut)
	}
}
