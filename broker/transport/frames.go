package transport

import (
	"context"
	"math/bits"
	"sync"
)

// frames hands out the buffers of requests and keeps the budget's account of
// them.
//
// One small frame of each connection is there without waiting, so that whatever
// others do, every connection has one small request under way. A larger frame
// takes the whole of what it reserves from the budget, once its first step has
// come.
type frames struct {
	budget *Budget
	pools  [poolMax + 1]sync.Pool // pools[i] holds *frame of 1<<i bytes
}

const (
	poolMin = 10 // 1 KiB
	poolMax = 21 // 2 MiB; larger ones are left to the collector

	// frameStep is what a connection may hold without asking. All connections
	// together: 256 MiB at the default of 16,384.
	frameStep = 16 << 10
)

// frame is a request's bytes, from the socket until its answer is ready.
type frame struct {
	b    []byte
	pool int   // -1: not pooled
	held int64 // of the budget; 0 for the one that a connection always may have
}

func newFrames(bytesMax int64) *frames { return &frames{budget: NewBudget(bytesMax)} }

// unbudgeted returns a frame of n <= frameStep bytes that costs the budget nothing.
func (f *frames) unbudgeted(n int) *frame { return f.make(n) }

// get returns a frame of n bytes, waiting for the budget. factor >= 1 is how many
// bytes the request may hold, decoded, for each of its own.
func (f *frames) get(ctx context.Context, n int, factor int64) (*frame, error) {
	held := int64(n)
	if pool := poolOf(n); pool <= poolMax {
		held = 1 << pool
	}
	held = min(held*factor, f.budget.Largest())
	if err := f.budget.Acquire(ctx, held); err != nil {
		return nil, err
	}
	fr := f.make(n)
	fr.held = held
	return fr, nil
}

func poolOf(n int) int { return max(poolMin, bits.Len(uint(max(n, 1)-1))) }

func (f *frames) make(n int) *frame {
	pool := poolOf(n)
	if pool > poolMax {
		return &frame{b: make([]byte, n), pool: -1}
	}
	fr, _ := f.pools[pool].Get().(*frame)
	if fr == nil {
		fr = &frame{b: make([]byte, 1<<pool), pool: pool}
	}
	fr.b, fr.held = fr.b[:n], 0
	return fr
}

// shrink gives back what a frame has reserved beyond to.
func (f *frames) shrink(fr *frame, to int64) {
	if fr == nil || fr.held <= to {
		return
	}
	f.budget.shrink(fr.held, to)
	fr.held = to
}

// put takes a frame back. Nothing may point into it any more.
func (f *frames) put(fr *frame) {
	if fr == nil {
		return
	}
	pool := fr.pool
	f.abandon(fr)
	if pool >= 0 {
		fr.b = fr.b[:0]
		f.pools[pool].Put(fr)
	}
}

// abandon gives back the frame's budget and leaves its bytes to the collector:
// somebody may still read them.
func (f *frames) abandon(fr *frame) {
	if fr != nil && fr.held > 0 {
		f.budget.Release(fr.held)
		fr.held = 0
	}
}
