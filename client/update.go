package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
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

// marks are the locks that the append will mark, as headers have them.
func (tx *Tx) marks() (names []string) {
	for _, l := range tx.locks {
		if l.kind != protocol.LockRead {
			names = append(names, l.header())
		}
	}
	return names
}

// ID names the append, in place of a name that the view makes up.
func (tx *Tx) ID(id string) { tx.id = id }

// SetBasis is for who drives a Fold: the state that the decision sees is that of
// the partition up to basis.
func (tx *Tx) SetBasis(basis int64) { tx.basis = basis }

// Update has decide look at the state, tell its basis (Tx.SetBasis) and decide,
// and appends what it decided. If somebody has written one of its locks since,
// Update waits until that write is applied and has it decide again, until the
// append is in, decide returns an error, which is Update's then, or the context
// ends. All that this fold has appended before is applied when decide is called.
// A run that appends no record ends Update with Result{Offset: None}.
//
// Other errors are those of Client.Append. On ErrUnknownResult the append may
// be in: if decide gave it an ID, Client.Append with that ID tells.
func (f *Fold) Update(ctx context.Context, decide func(ctx context.Context, tx *Tx) error) (Result, error) {
	u := update{f: f, fn: decide}
	defer u.leaveLock()
	for {
		if err := u.decide(ctx); err != nil {
			return Result{}, err
		}
		if len(u.tx.records) == 0 {
			return Result{Offset: None}, nil
		}
		if !u.waited {
			waited, err := u.awaitContended(ctx)
			if err != nil {
				return Result{}, err
			}
			if waited {
				u.waited = true
				continue // the state has moved
			}
		}
		result, err := u.append(ctx)
		if err == nil {
			return result, nil
		}
		if err := u.refused(ctx, err); err != nil {
			return Result{}, err
		}
	}
}

// update is one call of Update.
type update struct {
	f  *Fold
	fn func(context.Context, *Tx) error
	tx Tx

	wanted     bool   // the lines know what it wants
	waited     bool   // the line was waited for since the last refusal
	lock       string // whose queue is held; "" for none
	leaveQueue func() // leaves it
	until      int64  // turns of lock that may end before it goes, if it has no place in line

	refusals int
}

func (u *update) leaveLock() {
	if u.leaveQueue != nil {
		u.leaveQueue()
		u.leaveQueue, u.lock = nil, ""
	}
}

// decide runs fn when the state holds all that the fold has written.
func (u *update) decide(ctx context.Context) error {
	if err := u.f.Await(ctx); err != nil {
		return err
	}
	u.f.counts.decisions.Add(1)
	u.tx = Tx{basis: None}
	err := u.fn(ctx, &u.tx)
	u.wants()
	return err
}

// wants tells the lines which locks are wanted, the first time that it is known.
func (u *update) wants() {
	if u.wanted {
		return
	}
	u.wanted = true
	u.f.mu.Lock()
	defer u.f.mu.Unlock()
	u.f.mu.turns.wants(u.tx.marks(), time.Now())
}

// append sends what was decided.
func (u *update) append(ctx context.Context) (Result, error) {
	f, cond, began := u.f, Cond{ID: u.tx.id, Basis: u.tx.basis, Locks: u.tx.locks}, time.Now()
	more := u.noteSend()
	if cond.ID == "" {
		cond.ID = f.newID(more)
	}
	sent := u.tx.records
	if f.appliesOwn {
		sent = withTimestamps(sent)
	}
	result, err := f.c.Append(ctx, f.feed.at.topic, f.feed.at.partition, cond, sent...)
	if err == nil {
		f.noteWritten(result)
		f.counts.commits.Add(1)
		f.noteOwnAppend(cond, sent, result)
	}
	u.noteOutcome(err == nil, time.Since(began))
	return result, err
}

// noteSend notes an append that is about to be sent, and says how many writes more
// the turn will have after it.
func (u *update) noteSend() (more int) {
	queued := ""
	if u.lock != "" && u.f.queue.users(u.lock) > 1 {
		queued = u.lock
	}
	u.f.mu.Lock()
	defer u.f.mu.Unlock()
	u.f.mu.own.inFlight++
	return u.f.mu.turns.more(u.tx.marks(), queued)
}

// noteOutcome notes what became of it.
func (u *update) noteOutcome(in bool, took time.Duration) {
	u.f.mu.Lock()
	defer u.f.mu.Unlock()
	u.f.mu.own.inFlight--
	u.f.mu.turns.took(took)
	if in {
		u.f.mu.turns.done(u.tx.marks(), time.Now())
	}
}

// awaitContended waits for the turn of a lock that others contend for, and
// reports whether there was anything to wait for.
func (u *update) awaitContended(ctx context.Context) (waited bool, err error) {
	lock, busy := u.f.queue.contended(u.tx.locks)
	if !busy {
		if lock, busy = u.f.contended(u.tx.locks); !busy {
			return false, nil
		}
	}
	if err := u.joinQueue(ctx, lock); err != nil {
		return false, err
	}
	return true, u.awaitTurn(ctx)
}

// joinQueue takes the fold's own queue of a lock.
func (u *update) joinQueue(ctx context.Context, lock string) error {
	if u.lock == lock && u.leaveQueue != nil {
		return nil
	}
	u.leaveLock()
	leave, err := u.f.queue.acquire(ctx, lock)
	if err != nil {
		return err
	}
	u.lock, u.leaveQueue = lock, leave
	u.f.mu.RLock()
	u.until = u.f.mu.turns.enter(lock)
	u.f.mu.RUnlock()
	return nil
}

// refused waits until deciding again may succeed, or returns the error if it
// cannot.
func (u *update) refused(ctx context.Context, err error) error {
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrConflict) {
		return err
	}
	u.f.counts.refusals.Add(1)
	last := e.Last
	if last == None { // the lock history does not reach back: only the end will do
		if last, err = u.f.feed.end(ctx); err != nil {
			return err
		}
	}
	if last <= u.tx.basis {
		return e // a basis of its own that fn gave a lock: the same again would be refused again
	}
	if e.Lock != "" {
		u.f.mu.Lock()
		u.f.mu.turns.refused(e.Lock, e.By, time.Now())
		u.f.mu.Unlock()
	}
	// What is read is decided: having come past the offset of a transaction's record is
	// to know that it has ended.
	if err := u.f.caughtUp(ctx, last); err != nil || e.Lock == "" {
		return err
	}
	if err := u.joinQueue(ctx, e.Lock); err != nil {
		return err
	}
	u.waited = true
	u.chooseTurn()
	return u.awaitTurn(ctx)
}

// chooseTurn finds a turn after a refusal. The first one was had in ignorance of the
// line.
func (u *update) chooseTurn() {
	if u.refusals++; u.refusals == 1 {
		return
	}
	u.f.mu.Lock()
	defer u.f.mu.Unlock()
	u.until = u.f.mu.turns.again(u.lock, u.refusals)
}

// awaitTurn waits until nobody else is before this fold in the lock's line.
func (u *update) awaitTurn(ctx context.Context) error {
	for first := true; ; first = false {
		d, moved, err := u.turn()
		if d == 0 || err != nil {
			return err
		}
		if first {
			u.enterLine()
			defer u.leaveLine()
		}
		if err := sleep(ctx, d, moved); err != nil {
			return err
		}
	}
}

// turn is how long to wait for it, if nothing is seen to move. While the feed
// is blind, what it will see next says more than any time.
func (u *update) turn() (d time.Duration, moved <-chan struct{}, err error) {
	u.f.mu.RLock()
	defer u.f.mu.RUnlock()
	if d = u.f.mu.turns.wait(u.lock, u.until, time.Now()); d > 0 && u.f.mu.blind {
		d = turnWaitMax
	}
	return d, u.f.mu.moved, u.f.mu.err
}

func sleep(ctx context.Context, d time.Duration, moved <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-moved:
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// enterLine and leaveLine tell the fold who waits for a turn.
func (u *update) enterLine() {
	u.f.mu.Lock()
	u.f.mu.inLine = append(u.f.mu.inLine, u)
	u.f.mu.Unlock()
	u.f.feed.notify()
}

func (u *update) leaveLine() {
	u.f.mu.Lock()
	defer u.f.mu.Unlock()
	at := slices.Index(u.f.mu.inLine, u)
	u.f.mu.inLine = slices.Delete(u.f.mu.inLine, at, at+1)
}

// contended finds the first of the locks that this fold should wait for.
func (f *Fold) contended(locks []Lock) (string, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if len(f.mu.turns.lines) == 0 {
		return "", false
	}
	now := time.Now()
	for _, l := range locks {
		name := l.header()
		if l.kind.Judged() && f.mu.turns.wait(name, f.mu.turns.enter(name), now) > 0 {
			return name, true
		}
	}
	return "", false
}

// noteWritten notes what the fold has appended.
func (f *Fold) noteWritten(r Result) {
	f.written.Lock()
	f.written.offset = max(f.written.offset, r.Last())
	f.written.Unlock()
}

func (f *Fold) newID(more int) string {
	return newID(f.mu.turns.self, f.ids.Add(1), more)
}
