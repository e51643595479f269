package sqlview

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// applier brings the tables to an offset. The fold's goroutine owns it.
//
//	moved ──► go on behind the records
//	lost  ──► read the row; skip what others have applied
//	error ──► passing: wait, try again
//	          Apply's, among others: the records before it, then it alone
//	          Apply's, alone, again and again: Poison decides
type applier struct {
	db    *sql.DB
	apply Apply
	opts  *Options
	row   basisRow

	basis    int64 // what the row was when it was last moved or read
	troubled int   // failures in a row
}

// step is one transaction to be: the records behind from, up to to.
type step struct {
	from, to int64
	records  []*kgo.Record
}

const (
	triesMax   = 3 // of one record that fails by an error that is not known to pass
	backOffMin = 10 * time.Millisecond
	backOffMax = 2 * time.Second
)

// take is the fold's Apply.
func (a *applier) take(ctx context.Context, records []*kgo.Record, to int64) (int64, error) {
	began := a.basis
	for a.basis < to {
		if err := a.bring(ctx, a.next(records, to)); err != nil {
			return a.basis, err
		}
		if a.basis < began {
			break // the database was set back: what it lacks has to be read again
		}
	}
	return a.basis, nil
}

// next is the step from the basis on. What is before it was applied, by this
// process or another.
func (a *applier) next(records []*kgo.Record, to int64) step {
	behind, _ := slices.BinarySearchFunc(records, a.basis+1, func(r *kgo.Record, offset int64) int {
		return cmp.Compare(r.Offset, offset)
	})
	s := step{from: a.basis, to: to, records: records[behind:]}
	if len(s.records) > a.opts.BatchRecords {
		s.records = s.records[:a.opts.BatchRecords]
		s.to = s.records[len(s.records)-1].Offset
	}
	return s
}

// bring takes a step, or as much of it as it can be taken in one.
func (a *applier) bring(ctx context.Context, s step) error {
	for tries := 0; ; tries++ {
		moved, err := a.try(ctx, s, a.applyAll)
		switch {
		case err == nil && moved:
			a.basis = s.to
			a.well()
			return nil
			// Another process was faster: the row says how far it came.
		case err == nil:
			return a.reload(ctx)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		// A failure that passes is waited out; any other has a record to blame.
		if done, err := a.isolate(ctx, s, err, tries+1 >= triesMax); done {
			return err
		}
		if err := a.backOff(ctx, err); err != nil {
			return err
		}
		if err := a.reload(ctx); err != nil || a.basis != s.from {
			return err
		}
	}
}

// isolate deals with a failure that does not pass: the records before the one to blame
// are brought by themselves, and that one is poison at its last try. It reports
// whether the step is done with; if not it is tried again.
func (a *applier) isolate(ctx context.Context, s step, failure error, last bool) (done bool, err error) {
	var of *recordError
	switch {
	case errors.As(failure, &of) && !a.opts.Passing(of.err):
		if len(s.records) > 1 {
			return true, a.bring(ctx, s.before(of.index))
		}
		if last {
			return true, a.poisoned(ctx, s, of.err)
		}
	case len(s.records) > 1 && !a.opts.Passing(failure):
		return true, a.bring(ctx, s.before(1)) // of whom, at commit, nobody says
	case last && len(s.records) == 1 && errors.As(failure, new(*commitError)) && !a.opts.Passing(failure):
		return true, a.poisoned(ctx, s, failure)
	}
	return false, nil
}

// before is the part of a step before the record at index, or that record alone
// if it is the first.
func (s step) before(index int) step {
	s.records = s.records[:max(index, 1)]
	s.to = s.records[len(s.records)-1].Offset
	return s
}

// recordError is Apply's error for one record of a step.
type recordError struct {
	index int
	err   error
}

func (e *recordError) Error() string { return e.err.Error() }
func (e *recordError) Unwrap() error { return e.err }

// commitError is the database's no to a transaction whose statements it took.
type commitError struct{ err error }

func (e *commitError) Error() string { return "commit: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// try runs one transaction: the row moves, do changes the tables, or nothing
// has happened. After an error of the commit nobody knows which.
func (a *applier) try(ctx context.Context, s step,
	do func(context.Context, *sql.Tx, step) error) (moved bool, err error) {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return false, fmt.Errorf("begin: %w", err)
	}
	defer tx.Rollback()
	if moved, err = a.row.advance(ctx, tx, s.from, s.to); err != nil || !moved {
		return false, err
	}
	if err := do(ctx, tx, s); err != nil {
		return false, err
	}
	if err := tx.Commit(); err != nil {
		return false, &commitError{err}
	}
	return true, nil
}

func (a *applier) applyAll(ctx context.Context, tx *sql.Tx, s step) error {
	for i, r := range s.records {
		if err := a.applyOne(ctx, tx, r); err != nil {
			return &recordError{i, err}
		}
	}
	return nil
}

// applyOne makes a panic an error: the record's, as any other of Apply.
func (a *applier) applyOne(ctx context.Context, tx *sql.Tx, r *kgo.Record) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	return a.apply(ctx, tx, r)
}

// poisoned has the policy decide about the one record of a step.
func (a *applier) poisoned(ctx context.Context, s step, cause error) error {
	r := s.records[0]
	var refusal error
	for {
		moved, err := a.try(ctx, s, func(ctx context.Context, tx *sql.Tx, _ step) error {
			refusal = a.opts.Poison(ctx, tx, r, cause)
			return refusal
		})
		switch {
		case err == nil && moved:
			a.basis = s.to
			a.opts.Logger.Warn("a record that cannot be applied was skipped", "topic", r.Topic, "partition", r.Partition,
				"offset", r.Offset, "cause", cause)
			return nil
		case err == nil:
			return a.reload(ctx)
		case ctx.Err() != nil:
			return ctx.Err()
			// The policy has refused for good, unless its own statement failed in a way that passes.
		case refusal != nil && !(refusal != cause && a.opts.Passing(refusal)):
			return &PoisonError{r.Topic, r.Partition, r.Offset, refusal}
		}
		if err := a.backOff(ctx, err); err != nil {
			return err
		}
		if err := a.reload(ctx); err != nil || a.basis != s.from {
			return err
		}
	}
}

// reload reads the row, for as long as it takes.
func (a *applier) reload(ctx context.Context) error {
	for {
		basis, err := a.row.load(ctx, a.db)
		switch {
		case err == nil:
			a.basis = basis
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrOtherTopic), errors.Is(err, sql.ErrNoRows):
			return err
		}
		if err := a.backOff(ctx, err); err != nil {
			return err
		}
	}
}

// backOff waits longer from failure to failure. It speaks of the first one and
// of the recovery.
func (a *applier) backOff(ctx context.Context, err error) error {
	if a.troubled++; a.troubled == 1 {
		a.opts.Logger.Warn("the database refuses; trying again", "topic", a.row.topic, "partition", a.row.partition, "basis",
			a.basis, "error", err)
	}
	t := time.NewTimer(min(backOffMax, backOffMin<<min(a.troubled-1, 10)))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *applier) well() {
	if a.troubled > 0 {
		a.opts.Logger.Info("the database accepts again", "topic", a.row.topic, "partition", a.row.partition, "basis",
			a.basis, "failures", a.troubled)
		a.troubled = 0
	}
}
