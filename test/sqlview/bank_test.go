package sqlview

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
	"github.com/lockstep-log/lockstep/client/sqlview"
)

// transfer is a record of the bank: an amount from one account to another.
type transfer struct {
	From, To, Amount int
}

const (
	accounts = 10
	funds    = 100 // of each account at the beginning
)

// tables of the bank. The journal would refuse a record that is applied twice.
var tables = []string{
	`CREATE TABLE account (id INTEGER PRIMARY KEY, balance BIGINT NOT NULL CHECK (balance >= 0))`,
	`CREATE TABLE journal (log_offset BIGINT PRIMARY KEY)`,
}

// bank is the application: how it changes a database.
type bank struct{ sqlview.Dialect }

// statement puts numbers into a statement, so that it is one for every dialect.
func statement(format string, numbers ...any) string { return fmt.Sprintf(format, numbers...) }

func (b bank) create(ctx context.Context, db *sql.DB) error {
	statements := tables
	for id := range accounts {
		statements = append(statements, statement(`INSERT INTO account VALUES (%d, %d)`, id, funds))
	}
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// apply is the sqlview.Apply of the bank.
func (b bank) apply(ctx context.Context, tx *sql.Tx, r *kgo.Record) error {
	var t transfer
	if strings.HasPrefix(string(r.Value), "panic") {
		panic("a record that must not be")
	}
	if err := json.Unmarshal(r.Value, &t); err != nil {
		return err
	}
	for _, s := range []string{
		statement(`INSERT INTO journal VALUES (%d)`, r.Offset),
		statement(`UPDATE account SET balance = balance - %d WHERE id = %d`, t.Amount, t.From),
		statement(`UPDATE account SET balance = balance + %d WHERE id = %d`, t.Amount, t.To),
	} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

var errNotCovered = errors.New("not covered")

// move decides on a transfer.
func move(t transfer, id string) func(context.Context, *sqlview.Tx) error {
	return func(ctx context.Context, tx *sqlview.Tx) error {
		var balance int
		if err := tx.DB.QueryRowContext(ctx, statement(`SELECT balance FROM account WHERE id = %d`, t.From)).Scan(&balance); err != nil {
			return err
		}
		if balance < t.Amount {
			return errNotCovered
		}
		value, err := json.Marshal(t)
		if err != nil {
			return err
		}
		tx.ID(id)
		tx.Lock(client.Write(fmt.Sprint(t.From)), client.Write(fmt.Sprint(t.To)))
		tx.Append(&kgo.Record{Value: value})
		return nil
	}
}

// ledger is a bank's database read back.
type ledger struct {
	balances [accounts]int
	journal  []int64 // in order
}

func (l ledger) total() (sum int) {
	for _, b := range l.balances {
		sum += b
	}
	return sum
}

func readLedger(ctx context.Context, db querier) (l ledger, err error) {
	rows, err := db.QueryContext(ctx, `SELECT id, balance FROM account`)
	if err != nil {
		return l, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, balance int
		if err := rows.Scan(&id, &balance); err != nil {
			return l, err
		}
		l.balances[id] = balance
	}
	rows.Close()
	if rows, err = db.QueryContext(ctx, `SELECT log_offset FROM journal ORDER BY log_offset`); err != nil {
		return l, err
	}
	defer rows.Close()
	for rows.Next() {
		var offset int64
		if err := rows.Scan(&offset); err != nil {
			return l, err
		}
		l.journal = append(l.journal, offset)
	}
	return l, rows.Err()
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}
