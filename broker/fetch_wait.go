package broker

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/replica"
)

const (
	// fetchWaitMax bounds the client's max wait: a client that is gone is noticed
	// only when its fetch is answered.
	fetchWaitMax = 30 * time.Second
	// fetchGoneCheck is how often a client whose fetch waits is looked after.
	fetchGoneCheck = time.Second
	// fetchPause is how many times as long as its last look a fetch leaves the
	// partitions alone that have less than it asked for: however large its min
	// bytes and however busy the partitions, it takes a tenth of a core at most.
	fetchPause = 9
	// fetchPauseMax bounds that for each partition: a look that took longer was
	// interrupted, and says nothing of its cost.
	fetchPauseMax = 100 * time.Microsecond
)

// parking is what a connection's reader keeps between the fetches that it parks.
type parking struct {
	watcher *replica.Watcher
	timer   *time.Timer
}

// begin makes both ready for a fetch that is looked after that soon.
func (p *parking) begin(first time.Duration) {
	if p.timer == nil {
		p.watcher, p.timer = replica.NewWatcher(), time.NewTimer(first)
		return
	}
	p.watcher.Forget()
	p.timer.Reset(first)
}

// await parks the fetch until enough has come, its time is up or its client is
// gone.
func (s *Server) await(x *transport.Exchange, req *kmsg.FetchRequest, f *fetched) *fetched {
	wait := min(fetchWaitMax, time.Duration(req.MaxWaitMillis)*time.Millisecond)
	until := time.Now().Add(wait)
	park := &stateOf(x.Conn).parking
	park.begin(min(wait, fetchGoneCheck))
	defer park.timer.Stop()
	watched := f.seen
	watch(watched, park.watcher)
	defer unwatch(watched, park.watcher)
	moved := park.watcher.C
	var pause <-chan time.Time
	var rested time.Time // when the partitions may be looked at again
	for look, woken := f.moved(), false; ; woken = true {
		if look {
			began := time.Now()
			f.Release()
			if f = s.gather(req); f.enough() {
				return f
			}
			if woken {
				most := fetchPauseMax * time.Duration(len(f.Parts))
				rested = time.Now().Add(min(fetchPause*time.Since(began), most))
			}
		}
		look = false
		select {
		case <-moved:
			// A timer only for a move that comes this soon: one that is set while
			// a processor falls asleep rings a millisecond late.
			if left := time.Until(rested); left > 0 {
				moved, pause = nil, time.After(left)
			} else {
				look = true
			}
		case <-pause:
			look, moved, pause = true, park.watcher.C, nil
		case <-park.timer.C:
			left := time.Until(until)
			if left <= 0 || x.Conn.Abandoned() {
				return f
			}
			park.timer.Reset(min(left, fetchGoneCheck))
		case <-x.Conn.Context().Done():
			return f
		}
	}
}

// watch has w woken by each partition.
func watch(parts []seenPart, w *replica.Watcher) {
	for i := range parts {
		if p := parts[i].host; p != nil {
			p.Watch(w)
		}
	}
}

func unwatch(parts []seenPart, w *replica.Watcher) {
	for i := range parts {
		if p := parts[i].host; p != nil {
			p.Unwatch(w)
		}
	}
}

// moved reports whether a partition has moved since it was read.
func (f *fetched) moved() bool {
	return slices.ContainsFunc(f.seen, func(p seenPart) bool { return p.host != nil && p.host.Moves() != p.moves })
}
