package main

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/client/sqlview"
	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// keeperOrder is what a keeper is to do.
type keeperOrder struct {
	place
	Books string // the database's file
}

const (
	keeperBatch = 2000 // records of a transaction: it touches most pages in any case
	lookEvery   = time.Second
)

// carryOut applies all partitions to the database until ctx ends. A view that
// has ended says so when it is looked at.
func (o keeperOrder) carryOut(ctx context.Context) error {
	c, closeClient, err := o.extended(ctx)
	if err != nil {
		return err
	}
	defer closeClient()
	books, err := openBooks(o.Books)
	if err != nil {
		return err
	}
	defer books.Close()
	move, err := books.PrepareContext(ctx, `UPDATE account SET balance = balance + CASE id WHEN ?1 THEN -?3 ELSE ?3 END WHERE id IN (?1, ?2)`)
	if err != nil {
		return err
	}
	defer move.Close()
	options := sqlview.Options{Dialect: sqlview.SQLite, BatchRecords: keeperBatch, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	var views []*sqlview.View
	for p := range int32(o.Bank.Partitions) {
		v, err := o.view(ctx, c, books, p, keep(move), options)
		if err != nil {
			return err
		}
		defer v.Close()
		views = append(views, v)
	}
	for pause(ctx, lookEvery) {
		for _, v := range views {
			err := v.Read(ctx, func(context.Context, *sql.Tx, int64) error { return nil })
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
	return nil
}

// keep is the Apply of the bank.
func keep(move *sql.Stmt) sqlview.Apply {
	return func(ctx context.Context, tx *sql.Tx, r *kgo.Record) error {
		t, err := ledger.DecodeTransfer(r.Value)
		if err != nil {
			return err
		}
		// A context that can end costs a goroutine a statement.
		ctx = context.WithoutCancel(ctx)
		_, err = tx.StmtContext(ctx, move).ExecContext(ctx, t.From, t.To, t.Amount)
		return err
	}
}

// view begins to apply a partition. The brokers may be dead at the moment.
func (o keeperOrder) view(ctx context.Context, c *client.Client, books *sql.DB, p int32, apply sqlview.Apply, options sqlview.Options) (*sqlview.View, error) {
	for began := time.Now(); ; {
		v, err := sqlview.New(ctx, c, books, topic, p, apply, options)
		if err == nil || time.Since(began) > reachWithin || !pause(ctx, 100*time.Millisecond) {
			return v, err
		}
	}
}
