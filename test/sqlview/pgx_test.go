package sqlview

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgDriver is as much of a database/sql driver as these tests need: pgx's own
// comes with a pool of connections, and so with more modules.
type pgDriver struct{}

func init() { sql.Register("pgx", pgDriver{}) }

func (pgDriver) Open(dsn string) (driver.Conn, error) {
	c, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		return nil, err
	}
	return &pgConn{c}, nil
}

type pgConn struct{ c *pgx.Conn }

var (
	_ driver.ConnBeginTx    = (*pgConn)(nil)
	_ driver.ExecerContext  = (*pgConn)(nil)
	_ driver.QueryerContext = (*pgConn)(nil)
	_ driver.Validator      = (*pgConn)(nil)
)

func (c *pgConn) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (c *pgConn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}
func (c *pgConn) Close() error  { return c.c.Close(context.Background()) }
func (c *pgConn) IsValid() bool { return !c.c.IsClosed() }

// bad tells database/sql that nothing of the statement was sent.
func bad(err error) error {
	if err != nil && pgconn.SafeToRetry(err) {
		return driver.ErrBadConn
	}
	return err
}

func (c *pgConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	var options pgx.TxOptions
	if sql.IsolationLevel(o.Isolation) == sql.LevelRepeatableRead {
		options.IsoLevel = pgx.RepeatableRead
	}
	if o.ReadOnly {
		options.AccessMode = pgx.ReadOnly
	}
	tx, err := c.c.BeginTx(ctx, options)
	if err != nil {
		return nil, bad(err)
	}
	return pgTx{tx}, nil
}

type pgTx struct{ tx pgx.Tx }

func (t pgTx) Commit() error   { return t.tx.Commit(context.Background()) }
func (t pgTx) Rollback() error { return t.tx.Rollback(context.Background()) }

func plain(args []driver.NamedValue) []any {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	return values
}

func (c *pgConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	tag, err := c.c.Exec(ctx, query, plain(args)...)
	return driver.RowsAffected(tag.RowsAffected()), bad(err)
}

func (c *pgConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.c.Query(ctx, query, plain(args)...)
	if err != nil {
		return nil, bad(err)
	}
	return &pgRows{rows}, nil
}

type pgRows struct{ rows pgx.Rows }

func (r *pgRows) Columns() []string {
	var names []string
	for _, f := range r.rows.FieldDescriptions() {
		names = append(names, f.Name)
	}
	return names
}

func (r *pgRows) Close() error { r.rows.Close(); return nil }

func (r *pgRows) Next(dst []driver.Value) error {
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return io.EOF
	}
	values, err := r.rows.Values()
	for i, v := range values {
		if n, ok := v.(int32); ok {
			v = int64(n)
		}
		dst[i] = v
	}
	return err
}
