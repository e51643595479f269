package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// budget bounds what the requests of all connections hold together, in bytes.
//
// Nobody waits for it with something of it in hand: a request asks once, for all
// that it will need, when its first bytes have come (see frames). What is held
// is held either by a request that has arrived, which the broker answers and
// gives back, or by one that is still arriving. Those that arrive are the only
// ones whose end a client decides, and so they are the ones that give way: while
// somebody waits, the slowest of them is cut.
//
// Sizes have lanes. Large requests together may hold half of the budget, large
// and medium seven eighths; small ones wait for none but small ones. So whoever
// fills the budget with claims of 100 MiB stops others from sending 100 MiB, and
// does not stop them from fetching, committing or producing a batch.
//
// A weighted semaphore was tried and dropped: first come, first served lets one
// large claim stop everyone, and readers that grew their frames under it waited
// for each other for ever.
type budget struct {
	mu struct {
		sync.Mutex
		held     [lanes]int64 // by lane
		waiting  [lanes][]*claim
		arriving map[*arrival]struct{}
	}
	lane [lanes]int64 // lane[i]: what lanes i and above may hold together
}

const (
	laneSmall  = iota // up to smallClaim
	laneMedium        // up to mediumClaim
	laneLarge
	lanes

	smallClaim  = 64 << 10
	mediumClaim = 2 << 20
)

const (
	// A request that arrives more slowly than this, for longer than the grace, is
	// cut when others wait for the memory that it holds.
	cutBelowRate = 1 << 20 // bytes a second
	cutGrace     = time.Second
	cutInterval  = 100 * time.Millisecond
)

// errTooSlow is the end of a request that was cut.
var errTooSlow = errors.New("its request arrived too slowly while others waited for the memory")

// claim is a wait for n bytes.
type claim struct {
	n       int64
	granted chan struct{}
}

// arrival is a request that holds bytes and has not arrived as a whole.
type arrival struct {
	began time.Time
	have  int64  // received so far; guarded by the budget
	cut   func() // ends the connection's read; called once, under the budget's lock
}

// rate is how many bytes a second have come.
func (a *arrival) rate(now time.Time) float64 { return float64(a.have) / now.Sub(a.began).Seconds() }

func newBudget(bytesMax int64) *budget {
	b := &budget{lane: [lanes]int64{bytesMax, bytesMax - bytesMax/8, bytesMax / 2}}
	b.mu.arriving = map[*arrival]struct{}{}
	return b
}

func laneOf(n int64) int {
	switch {
	case n <= smallClaim:
		return laneSmall
	case n <= mediumClaim:
		return laneMedium
	default:
		return laneLarge
	}
}

// acquire waits for n bytes.
func (b *budget) acquire(ctx context.Context, n int64) error {
	lane := laneOf(n)
	b.mu.Lock()
	if len(b.mu.waiting[lane]) == 0 && b.room(lane, n) {
		b.mu.held[lane] += n
		b.mu.Unlock()
		return nil
	}
	c := &claim{n: n, granted: make(chan struct{})}
	b.mu.waiting[lane] = append(b.mu.waiting[lane], c)
	b.mu.Unlock()
	return b.await(ctx, lane, c)
}

// try is acquire for who does not wait.
func (b *budget) try(n int64) bool {
	lane := laneOf(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mu.waiting[lane]) > 0 || !b.room(lane, n) {
		return false
	}
	b.mu.held[lane] += n
	return true
}

// await waits for the grant, and has the slow give way meanwhile.
func (b *budget) await(ctx context.Context, lane int, c *claim) error {
	tick := time.NewTicker(cutInterval)
	defer tick.Stop()
	for {
		select {
		case <-c.granted:
			return nil
		case now := <-tick.C:
			b.cutSlowest(now)
		case <-ctx.Done():
			b.giveUp(lane, c)
			return context.Cause(ctx)
		}
	}
}

// giveUp takes a claim back, or what it was granted in the meantime.
func (b *budget) giveUp(lane int, c *claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.mu.waiting[lane], c); i >= 0 {
		b.mu.waiting[lane] = slices.Delete(b.mu.waiting[lane], i, i+1)
	} else {
		b.mu.held[lane] -= c.n
	}
	b.grant()
}

// release gives n bytes back that were acquired as one.
func (b *budget) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.held[laneOf(n)] -= n
	b.grant()
}

// shrink makes n bytes that were acquired as one fewer.
func (b *budget) shrink(n, to int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.held[laneOf(n)] -= n
	b.mu.held[laneOf(to)] += to
	b.grant()
}

// room reports whether the lane may hold n more bytes.
func (b *budget) room(lane int, n int64) bool {
	sum := n
	for i := lanes - 1; i >= 0; i-- {
		sum += b.mu.held[i]
		if i <= lane && sum > b.lane[i] {
			return false
		}
	}
	return lane != laneMedium || !b.largeIsNext()
}

// largeIsNext reports whether a large claim waits that its own lane would let
// pass: what is freed is collected for it.
func (b *budget) largeIsNext() bool {
	large := b.mu.waiting[laneLarge]
	return len(large) > 0 && b.mu.held[laneLarge]+large[0].n <= b.lane[laneLarge]
}

// grant serves who waits, each lane in the order of coming.
func (b *budget) grant() {
	for lane := lanes - 1; lane >= 0; lane-- {
		for len(b.mu.waiting[lane]) > 0 {
			c := b.mu.waiting[lane][0]
			if !b.room(lane, c.n) {
				break
			}
			b.mu.waiting[lane] = slices.Delete(b.mu.waiting[lane], 0, 1)
			b.mu.held[lane] += c.n
			close(c.granted)
		}
	}
}

// arrive enters a request whose bytes are still to come.
func (b *budget) arrive(a *arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.arriving[a] = struct{}{}
}

// progress notes that n more bytes have come.
func (b *budget) progress(a *arrival, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a.have += int64(n)
}

// arrived takes a request out of reach of cutSlowest.
func (b *budget) arrived(a *arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.mu.arriving, a)
}

// cutSlowest ends the slowest arrival that has had its grace, if it is slow.
func (b *budget) cutSlowest(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var slowest *arrival
	least := float64(cutBelowRate)
	for a := range b.mu.arriving {
		if now.Sub(a.began) < cutGrace {
			continue
		}
		if r := a.rate(now); r < least {
			slowest, least = a, r
		}
	}
	if slowest != nil {
		delete(b.mu.arriving, slowest)
		slowest.cut()
	}
}
