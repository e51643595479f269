package sqlview

import (
	"database/sql"
	"fmt"
	"strings"
)

// Dialect is how a database wants its statements.
type Dialect struct {
	name     string
	dollars  bool // placeholders are $1, $2, …
	bytes    string
	snapshot sql.TxOptions // of a transaction that reads one state of all tables
}

var (
	// SQLite needs no more than a file. Give the connections a busy timeout, and
	// the journal mode WAL, so that readers do not wait for the writer.
	SQLite = Dialect{name: "SQLite", bytes: "BLOB", snapshot: sql.TxOptions{ReadOnly: true}}
	// PostgreSQL is any version with INSERT … ON CONFLICT.
	PostgreSQL = Dialect{name: "PostgreSQL", dollars: true, bytes: "BYTEA",
		snapshot: sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}}
)

// String is the database's name.
func (d Dialect) String() string { return d.name }

// bind writes a statement's ? as the database wants them.
func (d Dialect) bind(statement string) string {
	if !d.dollars {
		return statement
	}
	var b strings.Builder
	for n := 1; ; n++ {
		before, after, found := strings.Cut(statement, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		fmt.Fprintf(&b, "$%d", n)
		statement = after
	}
}

// Schema is what New creates where it is missing, for those who create tables
// themselves. prefix begins the tables' names; "" is lockstep_.
func (d Dialect) Schema(prefix string) string { return strings.Join(d.tables(prefix), ";\n\n") + ";\n" }

const prefixDefault = "lockstep_"

func (d Dialect) tables(prefix string) []string {
	if prefix == "" {
		prefix = prefixDefault
	}
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + prefix + `basis (
  topic    VARCHAR(249) NOT NULL,
  part     INTEGER      NOT NULL,
  topic_id CHAR(32)     NOT NULL,
  basis    BIGINT       NOT NULL,
  PRIMARY KEY (topic, part)
)`,
		`CREATE TABLE IF NOT EXISTS ` + prefix + `poison (
  topic        VARCHAR(249) NOT NULL,
  part         INTEGER      NOT NULL,
  log_offset   BIGINT       NOT NULL,
  record_key   ` + d.bytes + `,
  record_value ` + d.bytes + `,
  reason       TEXT         NOT NULL,
  PRIMARY KEY (topic, part, log_offset)
)`,
	}
}
