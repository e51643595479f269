package broker

import (
	"context"
	"math/bits"
	"runtime"
	"sync"
)

// frames hands out the buffers of requests and keeps the budget's account of
// them.
//
// The first step of a connection's frame is its own share: it is there without
// waiting, so that whatever others do, every connection has one small request
// under way. A larger frame takes the whole of what it claims from the budget,
// once the first step of it has come.
type frames struct {
	budget *budget
	opens  chan struct{}                // one for each compressed batch that is being opened
	pools  [frameClassMax + 1]sync.Pool // pools[i] holds *frame of 1<<i bytes
}

const (
	frameClassMin = 10 // 1 KiB
	frameClassMax = 21 // 2 MiB; larger ones are left to the collector

	// frameStep is what a connection may hold without asking. All connections
	// together: 256 MiB at the default of 16,384.
	frameStep = 16 << 10
)

// frame is a request's bytes, from the socket until its answer is ready.
type frame struct {
	b     []byte
	class int   // -1: not pooled
	held  int64 // of the budget; 0 for a connection's own share
}

func newFrames(bytesMax int64) *frames {
	return &frames{budget: newBudget(bytesMax), opens: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// open waits for its turn to open a compressed batch, and returns what ends it.
// A batch of a few KiB may open to the limit of tens of MiB, so that no more are
// open side by side than keep the processors busy.
func (f *frames) open(compressed bool) (done func()) {
	if !compressed {
		return func() {}
	}
	f.opens <- struct{}{}
	return func() { <-f.opens }
}

// share returns a frame of n <= frameStep bytes that costs the budget nothing.
func (f *frames) share(n int) *frame { return f.make(n) }

// get returns a frame of n bytes, waiting for the budget. amplified >= 1 is how
// many bytes the request may hold, decoded, for each of its own.
func (f *frames) get(ctx context.Context, n int, amplified int64) (*frame, error) {
	held := int64(n)
	if class := classOf(n); class <= frameClassMax {
		held = 1 << class
	}
	held = min(held*amplified, f.budget.lane[laneLarge]) // more could never be had
	if err := f.budget.acquire(ctx, held); err != nil {
		return nil, err
	}
	fr := f.make(n)
	fr.held = held
	return fr, nil
}

func classOf(n int) int { return max(frameClassMin, bits.Len(uint(max(n, 1)-1))) }

func (f *frames) make(n int) *frame {
	class := classOf(n)
	if class > frameClassMax {
		return &frame{b: make([]byte, n), class: -1}
	}
	fr, _ := f.pools[class].Get().(*frame)
	if fr == nil {
		fr = &frame{b: make([]byte, 1<<class), class: class}
	}
	fr.b, fr.held = fr.b[:n], 0
	return fr
}

// shrink gives back what a frame claims beyond to.
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
	class := fr.class
	f.forget(fr)
	if class >= 0 {
		fr.b = fr.b[:0]
		f.pools[class].Put(fr)
	}
}

// forget gives back the frame's budget and leaves its bytes to the collector:
// somebody may still read them.
func (f *frames) forget(fr *frame) {
	if fr != nil && fr.held > 0 {
		f.budget.release(fr.held)
		fr.held = 0
	}
}
