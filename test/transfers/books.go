package main

import (
	"context"
	"database/sql"
	"fmt"

	_ "modernc.org/sqlite"

	"github.com/lockstep-log/lockstep/test/transfers/ledger"
)

// openBooks opens a keeper's database, with one connection: the views of one
// process take turns for it rather than for SQLite's lock.
func openBooks(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+path+
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_txlock=immediate")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// makeBooks makes a database in which every account has its opening balance.
func makeBooks(ctx context.Context, path string, b ledger.Bank) error {
	db, err := openBooks(path)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, `CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK (balance >= 0))`); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, `WITH RECURSIVE n(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM n WHERE id + 1 < ?)
		INSERT INTO account SELECT id, ? FROM n`, b.Accounts, ledger.Opening)
	return err
}

// bases reads up to where each partition is in a database; -1 where nothing is.
func bases(ctx context.Context, db *sql.DB, b ledger.Bank) ([]int64, error) {
	all := make([]int64, b.Partitions)
	for p := range all {
		all[p] = -1
	}
	rows, err := db.QueryContext(ctx, `SELECT part, basis FROM lockstep_basis WHERE topic = ?`, topic)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p int
		var basis int64
		if err := rows.Scan(&p, &basis); err != nil {
			return nil, err
		}
		all[p] = basis
	}
	return all, rows.Err()
}

// claims are what a database says in the end, row by row. Nobody writes to it
// any more.
func claims(ctx context.Context, name, path string, b ledger.Bank) ([]ledger.Claim, error) {
	db, err := openBooks(path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	at, err := bases(ctx, db, b)
	if err != nil {
		return nil, err
	}
	all := make([]ledger.Claim, b.Partitions)
	for p := range all {
		all[p] = ledger.Claim{Who: name, Partition: int32(p), Basis: at[p], AtEnd: true}
	}
	rows, err := db.QueryContext(ctx, `SELECT id, balance FROM account ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for next := uint32(0); rows.Next(); next++ {
		var id uint32
		var balance int64
		if err := rows.Scan(&id, &balance); err != nil {
			return nil, err
		}
		if id != next {
			return nil, fmt.Errorf("%s has account %d where %d should be", name, id, next)
		}
		c := &all[b.Partition(id)]
		c.Balances = append(c.Balances, balance)
	}
	return all, rows.Err()
}
