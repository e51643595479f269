package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Tx is what one run of a decision wants appended, and on which condition.
type Tx struct {
	basis   int64
	id      string
	locks   []Lock
	records []*kgo.Record
}

// Basis is the offset up to which the partition is in the state that the
// decision sees.
func (tx *Tx) Basis() int64 { return tx.basis }

// Lock adds locks to the condition; their basis is Basis.
func (tx *Tx) Lock(locks ...Lock) { tx.locks = append(tx.locks, locks...) }

// Append adds records: they are appended together, if the condition holds.
func (tx *Tx) Append(recs ...*kgo.Record) { tx.records = append(tx.records, recs...) }

// ID names the append, in place of a name that the view makes up.
func (tx *Tx) ID(id string) { tx.id = id }

// Update runs fn on the state and appends what it decided. If somebody has
// written one of its locks since, Update waits until the view has read that
// write and runs fn again, until the append is in, fn returns an error, which
// is Update's then, or the context ends. fn sees what this view has appended
// before. A run that appends no record ends Update with Result{Offset: None}.
//
// fn may be called many times, must not call Update or Read of its own view,
// and must not keep s. A panic of fn is the caller's.
//
// Other errors are those of Client.Append. On ErrUnknownResult the append may
// be in: if fn gave it an ID, Client.Append with that ID tells.
func (v *View[S]) Update(ctx context.Context, fn func(tx *Tx, s S) error) (Result, error) {
	u := update[S]{v: v, fn: fn, id: v.newID()}
	defer u.release()
	for {
		if err := u.decide(ctx); err != nil {
			return Result{}, err
		}
		if len(u.tx.records) == 0 {
			return Result{Offset: None}, nil
		}
		if !u.waited {
			waited, err := u.standInLine(ctx)
			if err != nil {
				return Result{}, err
			}
			if waited {
				u.waited = true
				continue // the state has moved
			}
		}
		began := time.Now()
		result, err := v.c.Append(ctx, v.feed.at.topic, v.feed.at.partition,
			Cond{ID: u.tx.id, Basis: u.tx.basis, Locks: u.tx.locks}, u.tx.records...)
		v.took(time.Since(began))
		if err == nil {
			v.wrote(result)
			return result, nil
		}
		if err := u.refused(ctx, err); err != nil {
			return Result{}, err
		}
	}
}

// update is one call of Update.
type update[S any] struct {
	v  *View[S]
	fn func(*Tx, S) error
	id string
	tx Tx

	waited bool   // the line was waited for since the last refusal
	lock   string // whose queue is held; "" for none
	leave  func() // leaves it
	seen   int64  // writes of lock when it was first wanted
}

func (u *update[S]) release() {
	if u.leave != nil {
		u.leave()
		u.leave, u.lock = nil, ""
	}
}

// decide runs fn on a state that holds all that the view has written.
func (u *update[S]) decide(ctx context.Context) error {
	return u.v.Read(ctx, func(s S, basis int64) error {
		u.tx = Tx{basis: basis, id: u.id}
		return u.fn(&u.tx, s)
	})
}

// standInLine waits for the turn of a lock that others contend for, and
// reports whether there was anything to wait for.
func (u *update[S]) standInLine(ctx context.Context) (waited bool, err error) {
	lock, busy := u.v.queue.busy(u.tx.locks)
	if !busy {
		if lock, busy = u.v.contended(u.tx.locks); !busy {
			return false, nil
		}
	}
	if err := u.hold(ctx, lock); err != nil {
		return false, err
	}
	return true, u.awaitTurn(ctx)
}

// hold takes the view's own queue of a lock.
func (u *update[S]) hold(ctx context.Context, lock string) error {
	if u.lock == lock && u.leave != nil {
		return nil
	}
	u.release()
	leave, err := u.v.queue.acquire(ctx, lock)
	if err != nil {
		return err
	}
	u.lock, u.leave = lock, leave
	u.v.mu.RLock()
	u.seen = u.v.mu.turns.writes(lock)
	u.v.mu.RUnlock()
	return nil
}

// refused waits until deciding again may succeed, or returns the error if it
// cannot.
func (u *update[S]) refused(ctx context.Context, err error) error {
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrConflict) {
		return err
	}
	last := e.Last
	if last == None { // the lock history does not reach back: only the end will do
		if last, err = u.v.feed.end(ctx); err != nil {
			return err
		}
	}
	if last <= u.tx.basis {
		return e // a basis of its own that fn gave a lock: the same again would be refused again
	}
	u.v.mu.Lock()
	u.v.mu.turns.refused(e.Lock, e.By, time.Now())
	u.v.mu.Unlock()
	if err := u.v.caughtUp(ctx, last); err != nil {
		return err
	}
	if err := u.hold(ctx, e.Lock); err != nil {
		return err
	}
	u.waited = true
	return u.awaitTurn(ctx)
}

// awaitTurn waits until nobody else is before this view in the lock's line.
func (u *update[S]) awaitTurn(ctx context.Context) error {
	v := u.v
	for {
		v.mu.RLock()
		d, moved, err := v.mu.turns.wait(u.lock, v.name, u.seen, time.Now()), v.mu.moved, v.mu.err
		v.mu.RUnlock()
		if d == 0 || err != nil {
			return err
		}
		t := time.NewTimer(d)
		select {
		case <-moved:
		case <-t.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
		t.Stop()
		if err != nil {
			return err
		}
	}
}

// contended finds the first of the locks that this view should wait for.
func (v *View[S]) contended(locks []Lock) (string, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if len(v.mu.turns.lines) == 0 {
		return "", false
	}
	now := time.Now()
	for _, l := range locks {
		name := l.header()
		if l.kind.Judged() && v.mu.turns.wait(name, v.name, v.mu.turns.writes(name), now) > 0 {
			return name, true
		}
	}
	return "", false
}

func (v *View[S]) took(d time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mu.turns.took(d)
}

// wrote notes what the view has appended.
func (v *View[S]) wrote(r Result) {
	v.written.Lock()
	v.written.offset = max(v.written.offset, r.Last())
	v.written.Unlock()
}

func (v *View[S]) newID() string { return fmt.Sprintf("%s.%d", v.name, v.ids.Add(1)) }
