package conflict

import (
	"cmp"
	"slices"
)

// hotLocks counts refusals by lock, in bounded memory, by the space-saving
// method (Metwally, Agrawal, El Abbadi 2005): when all counters are taken, the
// least one is given to the newcomer, with its count. A lock that is refused
// often is therefore always there; its count may be too high, by Over at most.
type hotLocks struct {
	counters []HotLock
	place    map[string]int
}

// HotLock is how often requests were refused because of a lock.
type HotLock struct {
	Lock    string // as the header has it
	Refused uint64 // Refused-Over <= the true count <= Refused
	Over    uint64
}

const hotCounters = 128

// HotLocksMax is how many HotLocks reports at most.
const HotLocksMax = 10

func (h *hotLocks) count(lock string) {
	if i, ok := h.place[lock]; ok {
		h.counters[i].Refused++
		return
	}
	if h.place == nil {
		h.place = make(map[string]int)
	}
	if len(h.counters) < hotCounters {
		h.place[lock] = len(h.counters)
		h.counters = append(h.counters, HotLock{Lock: lock, Refused: 1})
		return
	}
	least := h.least()
	c := &h.counters[least]
	delete(h.place, c.Lock)
	*c = HotLock{Lock: lock, Refused: c.Refused + 1, Over: c.Refused}
	h.place[lock] = least
}

func (h *hotLocks) least() int {
	least := 0
	for i := range h.counters {
		if h.counters[i].Refused < h.counters[least].Refused {
			least = i
		}
	}
	return least
}

// HotLocks are the locks that most refusals were due to, the hottest first.
func (c *LockTable) HotLocks() []HotLock {
	all := slices.Clone(c.hot.counters)
	slices.SortStableFunc(all, func(a, b HotLock) int { return cmp.Compare(b.Refused, a.Refused) })
	return all[:min(len(all), HotLocksMax)]
}

// RefusedFor is how often requests were refused because of a lock, given as
// the header has it: about, and 0 for one that is not among the hottest.
func (c *LockTable) RefusedFor(lock string) uint64 {
	if i, ok := c.hot.place[lock]; ok {
		return c.hot.counters[i].Refused
	}
	return 0
}
