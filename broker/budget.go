package broker

import (
	"context"
	"math/bits"
	"sync"

	"golang.org/x/sync/semaphore"
)

// frames hands out buffers for request frames, and bounds what all connections
// hold together. A reader that finds the budget spent waits: its client is
// throttled by its own socket.
type frames struct {
	budget *semaphore.Weighted
	pools  [frameClassMax + 1]sync.Pool // pools[i] holds *frame of 1<<i bytes
}

const (
	frameClassMin = 10 // 1 KiB
	frameClassMax = 21 // 2 MiB; larger ones are left to the collector
)

// frame is a request's bytes, from the socket to the answer.
type frame struct {
	b     []byte
	class int // -1: not pooled
	held  int64
}

func newFrames(bytesMax int64) *frames {
	return &frames{budget: semaphore.NewWeighted(bytesMax)}
}

// get returns a frame of n bytes, waiting for the budget.
func (f *frames) get(ctx context.Context, n int) (*frame, error) {
	class := max(frameClassMin, bits.Len(uint(max(n, 1)-1)))
	held := int64(n)
	if class <= frameClassMax {
		held = 1 << class
	}
	if err := f.budget.Acquire(ctx, held); err != nil {
		return nil, err
	}
	if class > frameClassMax {
		return &frame{b: make([]byte, n), class: -1, held: held}, nil
	}
	fr, _ := f.pools[class].Get().(*frame)
	if fr == nil {
		fr = &frame{b: make([]byte, 1<<class), class: class}
	}
	fr.b, fr.held = fr.b[:n], held
	return fr, nil
}

// put takes a frame back. Nothing may point into it any more.
func (f *frames) put(fr *frame) {
	if fr == nil {
		return
	}
	f.budget.Release(fr.held)
	if fr.class >= 0 {
		fr.b = fr.b[:0]
		f.pools[fr.class].Put(fr)
	}
}
