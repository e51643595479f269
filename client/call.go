package client

import (
	"context"
	"sync"
	"sync/atomic"
)

// call is an Append that waits for its outcome. Its goroutine leaves when its
// context ends, and the lane takes it into a batch: state says which of the
// two was first.
//
//	waiting ──► taken ──► waiting   sent, and known not to be in the log
//	   └──────────┴─────► left      nobody waits any more
type call struct {
	answer chan outcome // capacity 1; nothing is sent after it
	state  atomic.Int32
	last   atomic.Pointer[error] // why it is not done yet
}

type outcome struct {
	result Result
	err    error
}

const (
	callWaiting = iota
	callTaken   // it is in a batch that was sent, or is about to be
	callLeft
)

// calls are those that got their answer, to be used again. One that was left
// without an answer is still the lane's.
var calls = sync.Pool{New: func() any { return &call{answer: make(chan outcome, 1)} }}

func newCall() *call {
	w := calls.Get().(*call)
	w.state.Store(callWaiting)
	w.last.Store(nil)
	return w
}

// wait waits for the outcome, until ctx or the client ends.
func (w *call) wait(ctx, client context.Context) (Result, error) {
	var err error
	select {
	case o := <-w.answer:
		return w.end(o)
	case <-ctx.Done():
		err = ctx.Err()
	case <-client.Done():
		err = ErrClosed
	}
	sent := w.state.Swap(callLeft) == callTaken
	select {
	case o := <-w.answer: // at the last moment
		return w.end(o)
	default:
	}
	end := &Interruption{Err: err, Sent: sent}
	if last := w.last.Load(); last != nil {
		end.Last = *last
	}
	return Result{}, end
}

func (w *call) end(o outcome) (Result, error) {
	calls.Put(w)
	return o.result, o.err
}

// take reports whether somebody still waits, who is told from now on that the
// append was sent.
func (w *call) take() bool {
	return w.state.CompareAndSwap(callWaiting, callTaken) || w.state.Load() == callTaken
}

// untake takes that back.
func (w *call) untake() { w.state.CompareAndSwap(callTaken, callWaiting) }
