package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Store in memory, for the simulator and for tests. It is
// deterministic: what it answers depends on the calls and on the clock it was
// given, and leases end only when it looks at that clock, which is at every
// call. It starts a goroutine for each Watch and none else; a caller that wants
// none reads Since instead.
//
// Everything is kept as a history of events from the last compaction on, so a
// watch from any kept revision is a walk over a slice.
type Memory struct {
	now     func() time.Time
	closing chan struct{}
	watches sync.WaitGroup

	mu struct {
		sync.Mutex
		rev       int64 // of the newest change; an empty store is at 1, as etcd is
		compacted int64 // the history holds what is above it
		keys      map[string]KeyValue
		history   []Event // by revision
		leases    map[LeaseID]*memoryLease
		lastLease LeaseID
		changed   chan struct{} // closed and replaced at each change
		down      bool
		closed    bool
	}
}

// memoryHistoryMax bounds the events that are kept for watches to come; beyond it the older half is compacted.
const memoryHistoryMax = 1 << 17

type memoryLease struct {
	ttl     time.Duration
	expires time.Time
}

// NewMemory makes an empty store. now is the clock that leases end by; nil: time.Now.
func NewMemory(now func() time.Time) *Memory {
	if now == nil {
		now = time.Now
	}
	s := &Memory{now: now, closing: make(chan struct{})}
	s.mu.rev = 1
	s.mu.keys = make(map[string]KeyValue)
	s.mu.leases = make(map[LeaseID]*memoryLease)
	s.mu.changed = make(chan struct{})
	return s
}

// enter takes the lock and brings the leases up to the clock. The caller unlocks.
func (s *Memory) enter(ctx context.Context) error {
	s.mu.Lock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.mu.down || s.mu.closed {
		return fmt.Errorf("%w: it is switched off", ErrUnavailable)
	}
	s.expire()
	return nil
}

// Get implements Store.
func (s *Memory) Get(ctx context.Context, key string) (KeyValue, int64, error) {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return KeyValue{}, 0, err
	}
	kv, ok := s.mu.keys[key]
	if !ok {
		return KeyValue{Key: key}, s.mu.rev, nil
	}
	return kv, s.mu.rev, nil
}

// List implements Store.
func (s *Memory) List(ctx context.Context, prefix string) ([]KeyValue, int64, error) {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return nil, 0, err
	}
	var all []KeyValue
	for _, key := range s.under(prefix) {
		all = append(all, s.mu.keys[key])
	}
	return all, s.mu.rev, nil
}

// under returns the keys that begin with a prefix, in order.
func (s *Memory) under(prefix string) []string {
	var keys []string
	for key := range s.mu.keys {
		if strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Txn implements Store.
func (s *Memory) Txn(ctx context.Context, compares []Compare, ops []Op) (bool, int64, error) {
	if err := CheckTxn(compares, ops); err != nil {
		return false, 0, err
	}
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return false, 0, err
	}
	for _, c := range compares {
		if s.mu.keys[c.Key].ModRevision != c.ModRevision {
			return false, s.mu.rev, nil
		}
	}
	for _, op := range ops {
		if op.Lease != 0 && s.mu.leases[op.Lease] == nil {
			return false, 0, ErrLeaseNotFound
		}
	}
	s.apply(ops)
	return true, s.mu.rev, nil
}

// apply does the ops as one revision, if they change anything.
func (s *Memory) apply(ops []Op) {
	rev := s.mu.rev + 1
	before := len(s.mu.history)
	for _, op := range ops {
		switch op.Kind {
		case OpPut:
			kv := KeyValue{Key: op.Key, Value: slices.Clone(op.Value), ModRevision: rev, Lease: op.Lease}
			s.mu.keys[op.Key] = kv
			s.mu.history = append(s.mu.history, Event{KV: kv})
		case OpDelete:
			s.remove(op.Key, rev)
		case OpDeletePrefix:
			for _, key := range s.under(op.Key) {
				s.remove(key, rev)
			}
		}
	}
	if len(s.mu.history) == before {
		return
	}
	s.mu.rev = rev
	if len(s.mu.history) > memoryHistoryMax {
		s.compact(s.mu.history[memoryHistoryMax/2].KV.ModRevision)
	}
	s.wake()
}

func (s *Memory) remove(key string, rev int64) {
	if _, ok := s.mu.keys[key]; !ok {
		return
	}
	delete(s.mu.keys, key)
	s.mu.history = append(s.mu.history, Event{KV: KeyValue{Key: key, ModRevision: rev}, Deleted: true})
}

func (s *Memory) wake() {
	close(s.mu.changed)
	s.mu.changed = make(chan struct{})
}

// GrantLease implements Store. Lease ids count from 1.
func (s *Memory) GrantLease(ctx context.Context, ttl time.Duration) (LeaseID, error) {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	s.mu.lastLease++
	s.mu.leases[s.mu.lastLease] = &memoryLease{ttl: ttl, expires: s.now().Add(ttl)}
	return s.mu.lastLease, nil
}

// KeepAlive implements Store.
func (s *Memory) KeepAlive(ctx context.Context, id LeaseID) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return err
	}
	l := s.mu.leases[id]
	if l == nil {
		return ErrLeaseNotFound
	}
	l.expires = s.now().Add(l.ttl)
	return nil
}

// RevokeLease implements Store.
func (s *Memory) RevokeLease(ctx context.Context, id LeaseID) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx); err != nil {
		return err
	}
	s.end(id)
	return nil
}

// end deletes a lease and its keys, as one revision.
func (s *Memory) end(id LeaseID) {
	if _, ok := s.mu.leases[id]; !ok {
		return
	}
	delete(s.mu.leases, id)
	var ops []Op
	for _, key := range s.under("") {
		if s.mu.keys[key].Lease == id {
			ops = append(ops, Delete(key))
		}
	}
	s.apply(ops)
}

// expire ends the leases whose time is over, in order of id.
func (s *Memory) expire() {
	now := s.now()
	for _, id := range slices.Sorted(maps.Keys(s.mu.leases)) {
		if !now.Before(s.mu.leases[id].expires) {
			s.end(id)
		}
	}
}

// Expire looks at the clock now, so that watchers learn of leases that ended.
func (s *Memory) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
}

// Compact forgets the history up to and with rev.
func (s *Memory) Compact(rev int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compact(rev)
}

func (s *Memory) compact(rev int64) {
	s.mu.compacted = max(s.mu.compacted, min(rev, s.mu.rev))
	first := s.since(s.mu.compacted + 1)
	s.mu.history = slices.Clone(s.mu.history[first:])
}

// ApplyUnseen makes changes, each a revision, of which no watch learns but by a new
// listing: the history up to them is forgotten in the same moment.
func (s *Memory) ApplyUnseen(ops ...Op) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, op := range ops {
		s.apply([]Op{op})
	}
	s.compact(s.mu.rev)
}

// SetDown makes every call fail with ErrUnavailable, and ends the watches, until it is called with false.
func (s *Memory) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.down = down
	s.wake()
}

// Close implements Store.
func (s *Memory) Close() error {
	s.mu.Lock()
	if !s.mu.closed {
		s.mu.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	s.watches.Wait()
	return nil
}
