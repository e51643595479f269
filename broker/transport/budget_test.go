package transport

import (
	"context"
	"errors"
	"testing"
	"time"
)

// waits starts to acquire n bytes and returns when it is known to wait.
func waits(t *testing.T, b *Budget, n int64) (granted chan error) {
	t.Helper()
	granted = make(chan error, 1)
	before := waiting(b, classOf(n))
	go func() { granted <- b.Acquire(t.Context(), n) }()
	for waiting(b, classOf(n)) == before {
		time.Sleep(time.Millisecond)
	}
	return granted
}

func waiting(b *Budget, class sizeClass) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.mu.waiting[class])
}

func has(t *testing.T, b *Budget, n int64) {
	t.Helper()
	if err := b.Acquire(t.Context(), n); err != nil {
		t.Fatal(err)
	}
}

func TestASmallRequestDoesNotWaitBehindLargeOnes(t *testing.T) {
	b := NewBudget(64 << 20)
	has(t, b, 32<<20) // all that the large may have
	large := waits(t, b, 8<<20)
	has(t, b, 1<<20)
	has(t, b, 1<<10)
	b.Release(32 << 20)
	if err := <-large; err != nil {
		t.Error(err)
	}
}

func TestASmallRequestDoesNotWaitBehindMediumOnes(t *testing.T) {
	b := NewBudget(16 << 20)
	for range 7 {
		has(t, b, 2<<20)
	}
	medium := waits(t, b, 1<<20)
	has(t, b, 64<<10)
	b.Release(2 << 20)
	if err := <-medium; err != nil {
		t.Error(err)
	}
}

func TestALargeRequestIsNotStarvedByMediumOnes(t *testing.T) {
	b := NewBudget(16 << 20)
	for range 7 {
		has(t, b, 2<<20)
	}
	large := waits(t, b, 8<<20)
	medium := waits(t, b, 2<<20)
	for range 4 {
		b.Release(2 << 20)
	}
	if err := <-large; err != nil {
		t.Error(err)
	}
	b.Release(8 << 20)
	if err := <-medium; err != nil {
		t.Error(err)
	}
}

func TestAWaitThatIsGivenUpHoldsNothing(t *testing.T) {
	b := NewBudget(16 << 20)
	has(t, b, 8<<20)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- b.Acquire(ctx, 4<<20) }()
	for waiting(b, classLarge) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	b.Release(8 << 20)
	has(t, b, 8<<20)
}

func TestTheSlowestArrivalIsCutAndTheFastIsNot(t *testing.T) {
	b := NewBudget(16 << 20)
	began := time.Unix(1000, 0)
	ended := map[string]bool{}
	arrives := func(name string, have int64) *arrival {
		a := &arrival{began: began, have: have, end: func() { ended[name] = true }}
		b.arrive(a)
		return a
	}
	arrives("fast", 100<<20)
	arrives("slow", 1000)
	gone := arrives("gone", 0)
	b.arrived(gone)
	arrives("slowest", 10)
	b.endSlowest(began.Add(slowGrace / 2))
	if len(ended) != 0 {
		t.Errorf("ended within the grace: %v", ended)
	}
	now := began.Add(2 * slowGrace)
	b.endSlowest(now)
	if len(ended) != 1 || !ended["slowest"] {
		t.Errorf("ended %v", ended)
	}
	b.endSlowest(now)
	b.endSlowest(now)
	if len(ended) != 2 || !ended["slow"] {
		t.Errorf("ended %v", ended)
	}
}
