package fetching

import (
	"cmp"
	"container/heap"
	"container/list"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
)

// What is wrong with the session that a request names.
var (
	ErrSessionNotFound = errors.New("there is no such fetch session")
	ErrSessionEpoch    = errors.New("the fetch session expects another request")
	ErrSessionTopicIDs = errors.New("the fetch session names topics otherwise than the request")
)

const (
	// EvictionMs is the default of CacheOptions.EvictionMs.
	EvictionMs = 120_000

	// InitialEpoch begins a session, FinalEpoch is outside of one. Either ends the
	// session that the request names.
	InitialEpoch = 0
	FinalEpoch   = -1

	// A name of so many bytes counts as another partition.
	nameWeightShift = 8
)

// IsFull reports whether a request of this epoch names all that it wants.
func IsFull(epoch int32) bool { return epoch == InitialEpoch || epoch == FinalEpoch }

// NextEpoch is the epoch of the request behind one that is not outside of sessions.
func NextEpoch(epoch int32) int32 {
	switch {
	case epoch < 0:
		return FinalEpoch
	case epoch == math.MaxInt32:
		return 1
	}
	return epoch + 1
}

// Cache is the sessions of a broker's clients, which are many and may leave without a
// word. Its rules are those of Kafka's FetchSessionCache: where all slots are taken, a
// new session takes that of one that was not used for two minutes, or else of the one
// with the fewest partitions of all that are older than that, if it has more. Else
// there is none, and the client goes on without.
//
// Beyond that the partitions of all sessions together are bounded, since memory goes
// by them. All methods may be called from any goroutine; nowMs is a monotonic time.
type Cache struct {
	o  CacheOptions
	mu struct {
		sync.Mutex
		sessions   map[int32]*Session
		byUse      list.List // of *Session, the one last used behind
		evictable  bySize    // those that were old enough when they were used last
		partitions int
		weight     int
		evictions  uint64
	}
}

// entry is what the cache knows of a session. Cache.mu guards it.
type entry struct {
	createdMs int64
	usedMs    int64
	size      int // partitions, as counted in the cache
	weight    int
	use       *list.Element
	index     int // in evictable; -1: not there
}

// CacheStats are what is in a cache.
type CacheStats struct {
	Sessions, Partitions int
	Evictions            uint64 // ever
}

// CacheOptions bound a Cache.
type CacheOptions struct {
	Slots         int // sessions; 0: there are none
	PartitionsMax int // of all sessions together
	// EvictionMs is how long a session must not have been used for any other to take
	// its place, and how old it must be for one with more partitions. It is Kafka's
	// min.incremental.fetch.session.eviction.ms; 0: 120,000.
	EvictionMs int64
}

// NewCache is an empty cache.
func NewCache(o CacheOptions) *Cache {
	o.EvictionMs = cmp.Or(o.EvictionMs, EvictionMs)
	c := &Cache{o: o}
	c.mu.sessions = map[int32]*Session{}
	return c
}

// Stats are what is in the cache.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{len(c.mu.sessions), c.mu.partitions, c.mu.evictions}
}

// Add takes in a session that a full request began, if there is room. The caller is
// the session's holder.
func (c *Cache) Add(s *Session, nowMs int64) bool {
	s.index()
	s.makeWake()
	added, evicted := c.add(s, nowMs)
	for _, e := range evicted {
		e.closeUnused()
	}
	return added
}

func (c *Cache) add(s *Session, nowMs int64) (added bool, evicted []*Session) {
	size, weight := s.Size(), s.weigh()
	c.mu.Lock()
	defer c.mu.Unlock()
	if weight > c.o.PartitionsMax || c.o.Slots == 0 {
		return false, nil
	}
	if len(c.mu.sessions) >= c.o.Slots {
		e := c.toEvict(size, nowMs)
		if e == nil {
			return false, nil
		}
		evicted = append(evicted, e)
		c.evict(e)
	}
	more, fits := c.makeRoom(weight, nowMs)
	if evicted = append(evicted, more...); !fits {
		return false, evicted
	}
	s.id = c.newID()
	s.epoch.Store(NextEpoch(InitialEpoch))
	s.entry = entry{createdMs: nowMs, usedMs: nowMs, size: size, weight: weight, use: c.mu.byUse.PushBack(s), index: -1}
	c.mu.sessions[s.id] = s
	c.mu.partitions += size
	c.mu.weight += weight
	s.cached.Store(true)
	return true, evicted
}

func (c *Cache) newID() int32 {
	for {
		id := 1 + rand.Int32N(math.MaxInt32)
		if c.mu.sessions[id] == nil {
			return id
		}
	}
}

// toEvict is the session whose slot one of so many partitions may take, or nil.
func (c *Cache) toEvict(size int, nowMs int64) *Session {
	if s := c.stale(nowMs); s != nil {
		return s
	}
	if len(c.mu.evictable) == 0 || c.mu.evictable[0].entry.size >= size {
		return nil
	}
	return c.mu.evictable[0]
}

// stale is the session that was not used for the longest time, if that is long enough.
func (c *Cache) stale(nowMs int64) *Session {
	front := c.mu.byUse.Front()
	if front == nil {
		return nil
	}
	s := front.Value.(*Session)
	if nowMs-s.entry.usedMs <= c.o.EvictionMs {
		return nil
	}
	return s
}

// makeRoom evicts stale sessions until so much more weight fits.
func (c *Cache) makeRoom(weight int, nowMs int64) (evicted []*Session, fits bool) {
	for c.mu.weight+weight > c.o.PartitionsMax {
		s := c.stale(nowMs)
		if s == nil {
			return evicted, false
		}
		evicted = append(evicted, s)
		c.evict(s)
	}
	return evicted, true
}

func (c *Cache) evict(s *Session) {
	c.mu.evictions++
	c.remove(s)
}

func (c *Cache) remove(s *Session) {
	delete(c.mu.sessions, s.id)
	c.mu.byUse.Remove(s.entry.use)
	if s.entry.index >= 0 {
		heap.Remove(&c.mu.evictable, s.entry.index)
	}
	c.mu.partitions -= s.entry.size
	c.mu.weight -= s.entry.weight
	s.cached.Store(false)
}

// End ends the session that a full request names, if there is one.
func (c *Cache) End(id int32) {
	if id == 0 {
		return
	}
	c.mu.Lock()
	s := c.mu.sessions[id]
	if s != nil {
		c.remove(s)
	}
	c.mu.Unlock()
	if s != nil {
		s.closeUnused()
	}
}

// Resume goes on with a session by the incremental request that is due, and makes the
// caller its holder. One that is left without partitions is ended, and answered once
// more.
//
// The request before may still be under way, on a connection that its client has left.
// It is told by Overtaken, and waited for.
func (c *Cache) Resume(id, epoch int32, byID bool, listed []Listing, forgotten []Key, nowMs int64) (*Session, error) {
	s, err := c.advance(id, epoch, byID)
	if err != nil {
		return nil, err
	}
	s.wake.Notify()
	s.use.Lock()
	if s.Overtaken(epoch) {
		s.Release()
		return nil, ErrSessionEpoch
	}
	s.update(listed, forgotten)
	if !c.touch(s, nowMs) {
		s.Release()
		return nil, ErrSessionNotFound
	}
	return s, nil
}

// advance finds the session and has it expect the next request.
func (c *Cache) advance(id, epoch int32, byID bool) (*Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.mu.sessions[id]
	switch {
	case s == nil:
		return nil, ErrSessionNotFound
	case s.epoch.Load() != epoch:
		return nil, ErrSessionEpoch
	case s.byID != byID:
		return nil, ErrSessionTopicIDs
	}
	s.epoch.Store(NextEpoch(epoch))
	return s, nil
}

// Overtaken reports whether a later request than the one of this epoch goes on with
// the session.
func (s *Session) Overtaken(epoch int32) bool { return s.epoch.Load() != NextEpoch(epoch) }

// touch notes that a session is used, and what it has grown or shrunk to. It reports
// false if there is no room for what it is now: it is ended.
func (c *Cache) touch(s *Session, nowMs int64) (fits bool) {
	size, weight := s.Size(), s.weigh()
	var evicted []*Session
	defer func() {
		for _, e := range evicted {
			e.closeUnused()
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.cached.Load() {
		return true // somebody has ended it meanwhile; this request is still answered
	}
	if size == 0 {
		c.remove(s)
		s.id = 0 // the client is told that it has ended
		return true
	}
	e := &s.entry
	e.usedMs = nowMs
	c.mu.byUse.MoveToBack(e.use)
	if evicted, fits = c.makeRoom(weight-e.weight, nowMs); !fits {
		c.evict(s)
		return false
	}
	c.mu.partitions += size - e.size
	c.mu.weight += weight - e.weight
	e.size, e.weight = size, weight
	switch {
	case e.index >= 0:
		heap.Fix(&c.mu.evictable, e.index)
	case nowMs-e.createdMs > c.o.EvictionMs:
		heap.Push(&c.mu.evictable, s)
	}
	return true
}

// bySize is a heap of the sessions with the fewest partitions.
type bySize []*Session

func (h bySize) Len() int { return len(h) }

func (h bySize) Less(i, j int) bool {
	a, b := h[i], h[j]
	return a.entry.size < b.entry.size || a.entry.size == b.entry.size && a.id < b.id
}

func (h bySize) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].entry.index, h[j].entry.index = i, j
}

// Push implements heap.Interface.
func (h *bySize) Push(x any) {
	s := x.(*Session)
	s.entry.index = len(*h)
	*h = append(*h, s)
}

// Pop implements heap.Interface.
func (h *bySize) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	last.entry.index = -1
	return last
}
