package work

import (
	"fmt"
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/test/chaos/check"
)

// history gathers what one round's calls were told, and how long each partition
// stood still meanwhile. Any goroutine may use it.
type history struct {
	began time.Time // of the workload

	mu struct {
		sync.Mutex
		round   Round
		moved   map[check.Place]time.Duration // when it was last written to
		highest map[check.Place]int64         // acknowledged offset
		ends    map[check.Place]*check.Ends
	}
}

// Round is what happened since the last one ended.
type Round struct {
	Appends    []check.Append
	Readings   map[string][]check.Reading // by reader
	Complaints []string                   // what no client should have been told
	Gap        time.Duration              // the longest that a partition was not written to
	GapAt      check.Place
}

func newHistory() *history {
	h := &history{began: time.Now()}
	h.mu.highest, h.mu.ends = map[check.Place]int64{}, map[check.Place]*check.Ends{}
	h.mu.round.Readings = map[string][]check.Reading{}
	return h
}

func (h *history) now() time.Duration { return time.Since(h.began) }

// watch begins to measure gaps on these partitions.
func (h *history) watch(places []check.Place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.moved = map[check.Place]time.Duration{}
	for _, at := range places {
		h.mu.moved[at] = h.now()
	}
}

// add notes the outcome of a call.
func (h *history) add(a check.Append) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.round.Appends = append(h.mu.round.Appends, a)
	if a.Outcome != check.Acked {
		return
	}
	last := a.Offset + int64(len(a.Values)) - 1
	if was, ok := h.mu.highest[a.At]; !ok || last > was {
		h.mu.highest[a.At] = last
	}
	if _, watched := h.mu.moved[a.At]; watched {
		h.stoodStill(a.At, a.Returned)
		h.mu.moved[a.At] = max(h.mu.moved[a.At], a.Returned)
	}
}

func (h *history) stoodStill(at check.Place, until time.Duration) {
	if gap := until - h.mu.moved[at]; gap > h.mu.round.Gap {
		h.mu.round.Gap, h.mu.round.GapAt = gap, at
	}
}

// movedSince reports whether every watched partition was written to after t.
func (h *history) movedSince(t time.Duration) (still []check.Place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for at, moved := range h.mu.moved {
		if moved <= t {
			still = append(still, at)
		}
	}
	return still
}

// read notes what a reader was given.
func (h *history) read(reader string, r check.Reading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.round.Readings[reader] = append(h.mu.round.Readings[reader], r)
}

// end notes where a partition was said to end; asked is acked as it was before
// the question.
func (h *history) end(at check.Place, end, acked int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.ends[at] == nil {
		h.mu.ends[at] = &check.Ends{At: at}
	}
	h.mu.round.Complaints = append(h.mu.round.Complaints, h.mu.ends[at].See(end, acked)...)
}

// acked are the highest acknowledged offsets.
func (h *history) acked() map[check.Place]int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[check.Place]int64{}
	for at, offset := range h.mu.highest {
		all[at] = offset
	}
	return all
}

func (h *history) complain(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.round.Complaints = append(h.mu.round.Complaints, fmt.Sprintf(format, args...))
}

// take ends the round.
func (h *history) take() Round {
	h.mu.Lock()
	defer h.mu.Unlock()
	for at := range h.mu.moved {
		h.stoodStill(at, h.now())
	}
	round := h.mu.round
	h.mu.round, h.mu.moved = Round{Readings: map[string][]check.Reading{}}, nil
	return round
}
