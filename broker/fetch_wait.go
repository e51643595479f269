package broker

import (
	"time"

	"github.com/lockstep-log/lockstep/broker/fetching"
)

const (
	// fetchWaitMax bounds the client's max wait: a client that is gone is noticed
	// only when its fetch is answered.
	fetchWaitMax = 30 * time.Second
	// fetchGoneCheck is how often a client whose fetch waits is looked after.
	fetchGoneCheck = time.Second
	// fetchPause is how long the partitions are left alone that were found to have
	// less than the fetch asks for: however busy they are, to look at what has moved
	// once in that time costs little.
	fetchPause = 100 * time.Microsecond
)

// await parks the fetch until enough has come, its time is up or its client is
// gone. It looks only at what has moved.
func (f *clientFetch) await(waitMs int32) {
	wait := min(fetchWaitMax, time.Duration(waitMs)*time.Millisecond)
	until := time.Now().Add(wait)
	timer := time.NewTimer(min(wait, fetchGoneCheck))
	defer timer.Stop()
	if f.lookUntilStill(f.session.Watch(f.session.Pending())) {
		return
	}
	var rested time.Time // when the partitions may be looked at again
	for {
		select {
		case <-f.session.Wake():
			if f.overtaken() {
				return
			}
			time.Sleep(time.Until(rested))
			if f.lookUntilStill(f.session.TakeMoved()) {
				return
			}
			rested = time.Now().Add(fetchPause)
		case <-timer.C:
			left := time.Until(until)
			if left <= 0 || f.x.Conn.Abandoned() {
				return
			}
			timer.Reset(min(left, fetchGoneCheck))
		case <-f.x.Conn.Context().Done():
			return
		}
	}
}

// lookUntilStill looks at partitions that have moved until none of them moves any
// more: each wakes the fetch then when it does. It reports whether there is enough.
func (f *clientFetch) lookUntilStill(moved []*fetching.Partition) (enough bool) {
	for len(moved) > 0 {
		if f.look(moved); f.enough() {
			return true
		}
		moved = f.session.Watch(moved)
	}
	return false
}
