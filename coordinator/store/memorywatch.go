package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Since returns the changes under a prefix from revision fromRev on, without
// waiting. Its Revision is the store's, so that the next call goes on above it.
func (s *Memory) Since(prefix string, fromRev int64) Update {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire()
	return s.update(prefix, fromRev)
}

func (s *Memory) update(prefix string, fromRev int64) Update {
	if s.mu.down || s.mu.closed {
		return Update{Err: fmt.Errorf("%w: it is switched off", ErrUnavailable)}
	}
	if fromRev <= s.mu.compacted {
		return Update{Err: fmt.Errorf("%w: wanted %d, kept from %d", ErrCompacted, fromRev, s.mu.compacted+1)}
	}
	u := Update{Revision: s.mu.rev}
	for _, e := range s.mu.history[s.since(fromRev):] {
		if strings.HasPrefix(e.KV.Key, prefix) {
			u.Events = append(u.Events, e)
		}
	}
	return u
}

// since is the index of the first event of the history with this revision or a later one.
func (s *Memory) since(rev int64) int {
	i, _ := slices.BinarySearchFunc(s.mu.history, rev, func(e Event, rev int64) int {
		if e.KV.ModRevision < rev {
			return -1
		}
		return 1
	})
	return i
}

// Watch implements Store.
func (s *Memory) Watch(ctx context.Context, prefix string, fromRev int64) <-chan Update {
	out := make(chan Update)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		close(out)
		return out
	}
	s.watches.Add(1)
	go func() {
		defer s.watches.Done()
		defer close(out)
		s.follow(ctx, prefix, fromRev, out)
	}()
	return out
}

// follow delivers until ctx ends, the store closes, or an error was delivered.
func (s *Memory) follow(ctx context.Context, prefix string, next int64, out chan<- Update) {
	for {
		// The signal is taken together with the state, so that no change falls between the two.
		s.mu.Lock()
		u, changed := s.update(prefix, next), s.mu.changed
		s.mu.Unlock()

		if len(u.Events) > 0 || u.Err != nil {
			select {
			case out <- u:
			case <-ctx.Done():
				return
			case <-s.closing:
				return
			}
		}
		if u.Err != nil {
			return
		}
		// A revision that changed nothing under the prefix is passed over too.
		next = max(next, u.Revision+1)
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-s.closing:
			return
		}
	}
}
