package coordinator

import (
	"context"
	"sync"
	"time"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/plan"
	"github.com/lockstep-log/lockstep/internal/notify"
	"github.com/lockstep-log/lockstep/protocol"
)

// isrLinger is how long a change waits for others to share its transaction;
// isrRetry is how long a resignation waits that was not taken.
const (
	isrLinger = time.Millisecond
	isrRetry  = 20 * time.Millisecond
)

// isrQueue holds what partitions of this broker want changed. A partition has
// one change under way at a time and resigns once in a broker epoch, so that the
// partitions that are open bound it.
type isrQueue struct {
	changed notify.Signal

	mu struct {
		sync.Mutex
		ended   bool // nobody will look any more
		changes []isrRequest
		resigns []resignation
	}
}

type isrRequest struct {
	id protocol.TopicPartition
	protocol.ISRChange
	done func(ok bool)
}

type resignation struct {
	id    protocol.TopicPartition
	epoch protocol.BrokerEpoch
}

// AlterISR changes the ISR of a partition that this broker leads. It does not
// block. done is called once, later and from another goroutine: with true when
// it is done and this broker's image shows it, with false when it was refused
// or when that is not known. Once Run has ended nothing is answered any more.
func (c *Cluster) AlterISR(id protocol.TopicPartition, ch protocol.ISRChange, done func(ok bool)) {
	c.isr.add(func(q *isrQueue) { q.mu.changes = append(q.mu.changes, isrRequest{id, ch, done}) })
}

// Resign gives up a partition whose log has failed in this broker epoch: see
// [plan.Resign]. It does not block, and is tried until the metadata shows it.
func (c *Cluster) Resign(id protocol.TopicPartition, epoch protocol.BrokerEpoch) {
	c.isr.add(func(q *isrQueue) { q.mu.resigns = append(q.mu.resigns, resignation{id, epoch}) })
}

func (q *isrQueue) add(add func(*isrQueue)) {
	q.mu.Lock()
	if !q.mu.ended {
		add(q)
	}
	q.mu.Unlock()
	q.changed.Notify()
}

func (q *isrQueue) take() ([]isrRequest, []resignation) {
	q.mu.Lock()
	defer q.mu.Unlock()
	changes, resigns := q.mu.changes, q.mu.resigns
	q.mu.changes, q.mu.resigns = nil, nil
	return changes, resigns
}

// end refuses what waits, and takes no more.
func (q *isrQueue) end() {
	q.mu.Lock()
	q.mu.ended = true
	q.mu.Unlock()
	changes, _ := q.take()
	for _, r := range changes {
		r.done(false)
	}
}

// alterISRs carries out what is asked for, batch after batch: what comes while
// one is under way is the next.
func (c *Cluster) alterISRs(ctx context.Context) error {
	defer c.isr.end()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.isr.changed:
		case <-retry.C:
		}
		if !sleep(ctx, isrLinger) {
			return nil
		}
		if c.alterBatch(ctx, c.Image()) {
			retry.Reset(isrRetry)
		}
	}
}

// alterBatch carries out what waits, and reports whether something is to be tried again.
func (c *Cluster) alterBatch(ctx context.Context, im *image.Image) (again bool) {
	changes, resigns := c.isr.take()
	moving := make(map[protocol.TopicPartition]*move)
	var moves []*move
	add := func(m *move) {
		if m != nil && moving[m.ID()] == nil {
			moving[m.ID()] = m
			moves = append(moves, m)
		}
	}
	for _, r := range resigns {
		add(c.resignMove(im, r))
	}
	asked := make([]*move, len(changes))
	for i, r := range changes {
		// One that meets another of its partition would be refused by what that one changes.
		if m := c.isrMove(im, &r); m != nil && moving[m.ID()] == nil {
			asked[i] = m
			add(m)
		}
	}
	c.carryOut(ctx, moves)
	for i, r := range changes {
		r.done(asked[i] != nil && asked[i].done)
	}
	for _, r := range resigns {
		if m := moving[r.id]; m != nil && !m.done {
			c.isr.add(func(q *isrQueue) { q.mu.resigns = append(q.mu.resigns, r) })
			again = true
		}
	}
	return again
}

// isrMove is the change as a move, or nil if it cannot follow what the image shows.
func (c *Cluster) isrMove(im *image.Image, r *isrRequest) *move {
	t, p, ok := im.Partition(r.id)
	if !ok {
		return nil
	}
	next, err := plan.AlterISR(im, *p, c.o.Self.ID, r.ISRChange)
	if err != nil {
		return nil
	}
	return &move{Move: plan.Move{Topic: t, Next: next, Needs: r.Added}}
}

// resignMove is the resignation as a move, or nil if nothing is left to give up.
func (c *Cluster) resignMove(im *image.Image, r resignation) *move {
	t, p, ok := im.Partition(r.id)
	if !ok {
		return nil
	}
	next, changed := plan.Resign(*p, c.o.Self.ID, r.epoch)
	if !changed {
		return nil
	}
	return &move{Move: plan.Move{Topic: t, Next: next}}
}
