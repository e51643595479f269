package transport

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Budget bounds the bytes that many hold together. It is made for requests, by
// frames, and serves others as well.
//
// Nobody waits for it with something of it in hand: a request asks once, for all
// that it will need, when its first bytes have come. What is held is held either
// by a request that has arrived, which the broker answers and gives back, or by
// one that is still arriving. Those that arrive are the only ones whose end a
// client decides, and so they are the ones that give way: while somebody waits,
// the slowest of them is ended.
//
// Reservations have size classes. Large ones together may hold half of the
// budget, large and medium seven eighths; small ones wait for none but small
// ones. So whoever fills the budget with requests of 100 MiB stops others from
// sending 100 MiB, and does not stop them from fetching, committing or producing
// a batch.
//
// A weighted semaphore was tried and dropped: first come, first served lets one
// large request stop everyone, and readers that grew their frames under it waited
// for each other for ever.
type Budget struct {
	mu struct {
		sync.Mutex
		held     [sizeClasses]int64 // by the class that it was acquired in
		waiting  [sizeClasses][]*waiter
		arriving map[*arrival]struct{}
	}
	max [sizeClasses]int64 // max[i]: what classes i and above may hold together
}

type sizeClass int

const (
	classSmall  sizeClass = iota // up to smallMax
	classMedium                  // up to mediumMax
	classLarge
	sizeClasses

	smallMax  = 64 << 10
	mediumMax = 2 << 20
)

const (
	// A request that arrives more slowly than this, for longer than the grace, is
	// ended when others wait for the memory that it holds.
	slowBelowRate = 1 << 20 // bytes a second
	slowGrace     = time.Second
	slowInterval  = 100 * time.Millisecond
)

// errTooSlow is the end of a request that had to give way.
var errTooSlow = errors.New("its request arrived too slowly while others waited for the memory")

// waiter waits for n bytes.
type waiter struct {
	n       int64
	granted chan struct{}
}

// arrival is a request that holds bytes and has not arrived as a whole.
type arrival struct {
	began time.Time
	have  int64  // received so far; guarded by the budget
	end   func() // ends the connection's read; called once, under the budget's lock
}

// rate is how many bytes a second have come.
func (a *arrival) rate(now time.Time) float64 { return float64(a.have) / now.Sub(a.began).Seconds() }

// NewBudget is one of that many bytes.
func NewBudget(bytesMax int64) *Budget {
	b := &Budget{max: [sizeClasses]int64{bytesMax, bytesMax - bytesMax/8, bytesMax / 2}}
	b.mu.arriving = map[*arrival]struct{}{}
	return b
}

func classOf(n int64) sizeClass {
	switch {
	case n <= smallMax:
		return classSmall
	case n <= mediumMax:
		return classMedium
	default:
		return classLarge
	}
}

// Largest is the most that can be acquired as one.
func (b *Budget) Largest() int64 { return b.max[classLarge] }

// Held is how much is held by all.
func (b *Budget) Held() (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, held := range b.mu.held {
		n += held
	}
	return n
}

// Acquire waits for n <= Largest bytes.
func (b *Budget) Acquire(ctx context.Context, n int64) error {
	class := classOf(n)
	b.mu.Lock()
	if len(b.mu.waiting[class]) == 0 && b.hasRoom(class, n) {
		b.mu.held[class] += n
		b.mu.Unlock()
		return nil
	}
	w := &waiter{n: n, granted: make(chan struct{})}
	b.mu.waiting[class] = append(b.mu.waiting[class], w)
	b.mu.Unlock()
	return b.await(ctx, class, w)
}

// TryAcquire is Acquire for who does not wait.
func (b *Budget) TryAcquire(n int64) bool {
	class := classOf(n)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mu.waiting[class]) > 0 || !b.hasRoom(class, n) {
		return false
	}
	b.mu.held[class] += n
	return true
}

// await waits for the grant, and has the slow give way meanwhile.
func (b *Budget) await(ctx context.Context, class sizeClass, w *waiter) error {
	tick := time.NewTicker(slowInterval)
	defer tick.Stop()
	for {
		select {
		case <-w.granted:
			return nil
		case now := <-tick.C:
			b.endSlowest(now)
		case <-ctx.Done():
			b.giveUp(class, w)
			return context.Cause(ctx)
		}
	}
}

// giveUp takes a wait back, or what it was granted in the meantime.
func (b *Budget) giveUp(class sizeClass, w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.mu.waiting[class], w); i >= 0 {
		b.mu.waiting[class] = slices.Delete(b.mu.waiting[class], i, i+1)
	} else {
		b.mu.held[class] -= w.n
	}
	b.grant()
}

// Release gives n bytes back that were acquired as one.
func (b *Budget) Release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.held[classOf(n)] -= n
	b.grant()
}

// shrink makes n bytes that were acquired as one fewer.
func (b *Budget) shrink(n, to int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.held[classOf(n)] -= n
	b.mu.held[classOf(to)] += to
	b.grant()
}

// hasRoom reports whether the class may hold n more bytes.
func (b *Budget) hasRoom(class sizeClass, n int64) bool {
	sum := n
	for i := sizeClasses - 1; i >= 0; i-- {
		sum += b.mu.held[i]
		if i <= class && sum > b.max[i] {
			return false
		}
	}
	return class != classMedium || !b.largeIsNext()
}

// largeIsNext reports whether a large one waits that its own class would let
// pass: what is freed is collected for it.
func (b *Budget) largeIsNext() bool {
	large := b.mu.waiting[classLarge]
	return len(large) > 0 && b.mu.held[classLarge]+large[0].n <= b.max[classLarge]
}

// grant serves who waits, each class in the order of coming.
func (b *Budget) grant() {
	for class := sizeClasses - 1; class >= 0; class-- {
		for len(b.mu.waiting[class]) > 0 {
			w := b.mu.waiting[class][0]
			if !b.hasRoom(class, w.n) {
				break
			}
			b.mu.waiting[class] = slices.Delete(b.mu.waiting[class], 0, 1)
			b.mu.held[class] += w.n
			close(w.granted)
		}
	}
}

// arrive enters a request whose bytes are still to come.
func (b *Budget) arrive(a *arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.arriving[a] = struct{}{}
}

// progress notes that n more bytes have come.
func (b *Budget) progress(a *arrival, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a.have += int64(n)
}

// arrived takes a request out of reach of endSlowest.
func (b *Budget) arrived(a *arrival) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.mu.arriving, a)
}

// endSlowest ends the slowest arrival that has had its grace, if it is slow.
func (b *Budget) endSlowest(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var slowest *arrival
	least := float64(slowBelowRate)
	for a := range b.mu.arriving {
		if now.Sub(a.began) < slowGrace {
			continue
		}
		if r := a.rate(now); r < least {
			slowest, least = a, r
		}
	}
	if slowest != nil {
		delete(b.mu.arriving, slowest)
		slowest.end()
	}
}
