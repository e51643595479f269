package sqlview

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/lockstep-log/lockstep/client"
)

// ErrOtherTopic: the tables were folded from a topic of the same name that is
// no more. They, and the row in lockstep_basis, have to be made anew.
var ErrOtherTopic = errors.New("the database was folded from another topic of this name")

// basisRow is one partition's row of lockstep_basis.
type basisRow struct {
	topic     string
	partition int32
	id        string // of the topic

	create, read, move string // statements
}

func newBasisRow(o *Options, topic string, partition int32, id [16]byte) basisRow {
	table := o.Prefix + "basis"
	return basisRow{
		topic: topic, partition: partition, id: hex.EncodeToString(id[:]),
		create: o.Dialect.bind(`INSERT INTO ` +
			table + ` (topic, part, topic_id, basis) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`),
		read: o.Dialect.bind(`SELECT topic_id, basis FROM ` + table + ` WHERE topic = ? AND part = ?`),
		move: o.Dialect.bind(`UPDATE ` +
			table + ` SET basis = ? WHERE topic = ? AND part = ? AND topic_id = ? AND basis = ?`),
	}
}

// querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// load reads the basis.
func (b *basisRow) load(ctx context.Context, q querier) (basis int64, err error) {
	var id string
	err = q.QueryRowContext(ctx, b.read, b.topic, b.partition).Scan(&id, &basis)
	if err == nil && id != b.id {
		err = fmt.Errorf("%w: %s has the id %s, and the row %s", ErrOtherTopic, b.topic, b.id, id)
	}
	return basis, err
}

// advance moves the basis within a transaction, and reports whether it was
// where it was thought to be. It is the transaction's first statement: whoever
// loses waits here for the winner, and has done nothing yet.
func (b *basisRow) advance(ctx context.Context, tx *sql.Tx, from, to int64) (bool, error) {
	result, err := tx.ExecContext(ctx, b.move, to, b.topic, b.partition, b.id, from)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 1, err
}

// prepare makes the tables and the row where they are missing, and reads it.
func (b *basisRow) prepare(ctx context.Context, db *sql.DB, o *Options) (int64, error) {
	basis, err := b.load(ctx, db)
	if err == nil || errors.Is(err, ErrOtherTopic) {
		return basis, err
	}
	if !errors.Is(err, sql.ErrNoRows) {
		if err := createTables(ctx, db, o); err != nil {
			return 0, err
		}
	}
	if _, err := db.ExecContext(ctx, b.create, b.topic, b.partition, b.id, client.None); err != nil {
		return 0, fmt.Errorf("make the basis row: %w", err)
	}
	return b.load(ctx, db)
}

// createTables tries once more: of two processes that create one table at once,
// PostgreSQL refuses one.
func createTables(ctx context.Context, db *sql.DB, o *Options) error {
	for _, table := range o.Dialect.tables(o.Prefix) {
		_, err := db.ExecContext(ctx, table)
		if err != nil {
			_, err = db.ExecContext(ctx, table)
		}
		if err != nil {
			return fmt.Errorf("make the view's tables: %w", err)
		}
	}
	return nil
}
