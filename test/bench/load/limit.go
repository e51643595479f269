package load

import (
	"sync/atomic"
	"time"
)

// Limit ends a Run: at the first bound that is met. Zero is no bound, but one
// must be set. What was sent by then is still waited for and counted.
type Limit struct {
	Requests int64 // of a stock client: records
	Bytes    int64 // of record batches, rounded up to a request
	Duration time.Duration
}

func (l Limit) none() bool { return l.Requests <= 0 && l.Bytes <= 0 && l.Duration <= 0 }

// budget is a Limit being used up by several connections.
type budget struct {
	left  atomic.Int64
	until time.Time
}

func newBudget(l Limit, requestBytes int64) *budget {
	n := int64(1) << 62
	if l.Requests > 0 {
		n = l.Requests
	}
	if l.Bytes > 0 {
		n = min(n, (l.Bytes+requestBytes-1)/requestBytes)
	}
	b := new(budget)
	b.left.Store(n)
	if l.Duration > 0 {
		b.until = time.Now().Add(l.Duration)
	}
	return b
}

// take allows one more request to be sent.
func (b *budget) take(now time.Time) bool {
	if !b.until.IsZero() && now.After(b.until) {
		return false
	}
	return b.left.Add(-1) >= 0
}
