package sqlview

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lockstep-log/lockstep/client"
)

// View folds one partition into a database and runs the loop of optimistic
// writers on it. Any number of goroutines may use it, and any number of Views,
// in one process or many, may share the database, if they apply alike.
type View struct {
	db   *sql.DB
	fold *client.Fold
	opts Options
	row  basisRow
}

// Tx is what one run of a decision sees and wants appended.
type Tx struct {
	*client.Tx         // Basis, Lock, Append, ID
	DB         *sql.Tx // a snapshot of the tables, to read from
}

// New makes the view's own tables where they are missing, reads the basis, and
// begins to apply what is behind it. It fails if the database cannot be asked,
// or holds what another topic of this name has told (ErrOtherTopic). Tables that
// are new, on a partition that has lost its first records, end the view with
// client.ErrLogCut.
func New(ctx context.Context, c *client.Client, db *sql.DB, topic string, partition int32, apply Apply,
	o Options) (*View, error) {
	if o.Dialect == (Dialect{}) {
		return nil, errors.New("sqlview: Options.Dialect is needed: SQLite or PostgreSQL")
	}
	v := &View{db: db, opts: o.withDefaults()}
	id, err := c.TopicID(ctx, topic)
	if err != nil {
		return nil, err
	}
	v.row = newBasisRow(&v.opts, topic, partition, id)
	basis, err := v.row.prepare(ctx, db, &v.opts)
	if err != nil {
		return nil, fmt.Errorf("sqlview of %s-%d in %v: %w", topic, partition, v.opts.Dialect, err)
	}
	a := &applier{db: db, apply: apply, opts: &v.opts, row: v.row, basis: basis}
	v.fold, err = client.NewFold(c, topic, partition, basis, a.take, v.opts.fold()...)
	return v, err
}

// Close ends the view and waits for its goroutine; a transaction that is under
// way is rolled back. Calls under way and later ones return client.ErrClosed.
// The Client and the database stay open.
func (v *View) Close() { v.fold.Close() }

// Counts are those of client.Fold.
func (v *View) Counts() client.Counts { return v.fold.Counts() }

// Read calls fn with a snapshot of the tables and its basis. What was committed
// when the view began, and what this view has appended, is in it. fn only
// reads.
func (v *View) Read(ctx context.Context, fn func(ctx context.Context, db *sql.Tx, basis int64) error) error {
	if err := v.fold.Await(ctx); err != nil {
		return err
	}
	return v.look(ctx, fn)
}

// look calls fn with a snapshot, as soon as the database gives one.
func (v *View) look(ctx context.Context, fn func(ctx context.Context, db *sql.Tx, basis int64) error) error {
	tx, basis, err := v.snapshot(ctx)
	for wait := backOffMin; err != nil; wait = min(2*wait, backOffMax) {
		if !v.opts.Passing(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return err // it says more than that time is up
		}
		tx, basis, err = v.snapshot(ctx)
	}
	defer tx.Rollback()
	return fn(ctx, tx, basis)
}

// snapshot reads the basis first: even where a snapshot is none, the tables are
// then no older than the basis, and the worst is a refusal too many.
func (v *View) snapshot(ctx context.Context) (*sql.Tx, int64, error) {
	options := v.opts.Dialect.snapshot
	tx, err := v.db.BeginTx(ctx, &options)
	if err != nil {
		return nil, 0, fmt.Errorf("begin a snapshot: %w", err)
	}
	basis, err := v.row.load(ctx, tx)
	if err != nil {
		tx.Rollback()
		return nil, 0, fmt.Errorf("read the basis: %w", err)
	}
	return tx, basis, nil
}

// Update runs fn on a snapshot of the tables and appends what it decided, again
// and again as client.Fold.Update says. It returns when the append is in the
// log; whoever reads this view after that sees it applied. fn may be called
// many times, and must not write to the database; an error of it, the
// database's own among them, is Update's. Name an append that must not be made
// twice by tx.ID: a process that was killed may have made it.
func (v *View) Update(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) (client.Result, error) {
	return v.fold.Update(ctx, func(ctx context.Context, tx *client.Tx) error {
		return v.look(ctx, func(ctx context.Context, db *sql.Tx, basis int64) error {
			tx.SetBasis(basis)
			return fn(ctx, &Tx{tx, db})
		})
	})
}
