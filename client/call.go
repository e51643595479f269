package client

import (
	"context"
	"sync"
	"sync/atomic"
)

// call is an Append that waits for its outcome. Its goroutine leaves when its
// context ends, and the writer takes it into a batch: state says which of the
// two was first.
//
//	waiting ──► sent ──► waiting     sent, and known not to be in the log
//	   └──────────┴────► abandoned   nobody waits any more
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
	callSent    // it is in a batch that was sent, or is about to be
	callAbandoned
)

// callPool holds calls that got their answer. One that was abandoned before belongs
// to the writer, and never comes back.
var callPool = sync.Pool{New: func() any { return &call{answer: make(chan outcome, 1)} }}

func newCall() *call {
	c := callPool.Get().(*call)
	c.state.Store(callWaiting)
	c.last.Store(nil)
	return c
}

// wait waits for the outcome, until ctx or the client ends.
func (c *call) wait(ctx, client context.Context) (Result, error) {
	var err error
	select {
	case o := <-c.answer:
		return c.finish(o)
	case <-ctx.Done():
		err = ctx.Err()
	case <-client.Done():
		err = ErrClosed
	}
	sent := c.state.Swap(callAbandoned) == callSent
	select {
	case o := <-c.answer: // at the last moment
		return c.finish(o)
	default:
	}
	end := &Interruption{Err: err, Sent: sent}
	if last := c.last.Load(); last != nil {
		end.Last = *last
	}
	return Result{}, end
}

func (c *call) finish(o outcome) (Result, error) {
	callPool.Put(c)
	return o.result, o.err
}

// claim reports whether somebody still waits, who is told from now on that the
// append was sent.
func (c *call) claim() bool {
	return c.state.CompareAndSwap(callWaiting, callSent) || c.state.Load() == callSent
}

// unclaim takes that back.
func (c *call) unclaim() { c.state.CompareAndSwap(callSent, callWaiting) }
