package client

import (
	"context"
	"sync"
)

// queues lets one writer of a view at a time contend for a lock, in the order
// in which they were refused.
type queues struct {
	sync.Mutex
	byLock map[string]*queue
}

// queue is held by who has put its token into the channel.
type queue struct {
	token chan struct{} // capacity 1; those who wait to send are served in order
	users int           // by one, and wanted by the others
}

// contended finds the first of the locks that somebody contends for.
func (q *queues) contended(locks []Lock) (string, bool) {
	q.Lock()
	defer q.Unlock()
	if len(q.byLock) == 0 {
		return "", false
	}
	for _, l := range locks {
		if name := l.header(); l.kind.Judged() && q.byLock[name] != nil {
			return name, true
		}
	}
	return "", false
}

// acquire waits for the turn of the lock. release ends it.
func (q *queues) acquire(ctx context.Context, lock string) (release func(), err error) {
	q.Lock()
	if q.byLock == nil {
		q.byLock = map[string]*queue{}
	}
	mine := q.byLock[lock]
	if mine == nil {
		mine = &queue{token: make(chan struct{}, 1)}
		q.byLock[lock] = mine
	}
	mine.users++
	q.Unlock()
	select {
	case mine.token <- struct{}{}:
		return func() { <-mine.token; q.leave(lock, mine) }, nil
	case <-ctx.Done():
		q.leave(lock, mine)
		return nil, ctx.Err()
	}
}

func (q *queues) leave(lock string, mine *queue) {
	q.Lock()
	defer q.Unlock()
	if mine.users--; mine.users == 0 {
		delete(q.byLock, lock)
	}
}

// users is how many hold or wait for a lock.
func (q *queues) users(lock string) int {
	q.Lock()
	defer q.Unlock()
	if mine := q.byLock[lock]; mine != nil {
		return mine.users
	}
	return 0
}
