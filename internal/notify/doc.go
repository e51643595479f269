// Package notify is the signal by which one goroutine tells another to look again.
//
// A Signal is a channel with room for one: however often Notify is called before
// the receiver comes to look, it is woken once, and what happened before the last
// Notify is seen by a look after the receive. Who has something to hand over keeps
// it elsewhere, under a lock; the signal carries nothing.
//
// It is no condition variable and no broadcast: one goroutine receives.
package notify
