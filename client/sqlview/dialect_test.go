package sqlview

import "testing"

func TestPlaceholdersAreAsTheDatabaseWantsThem(t *testing.T) {
	const statement = `UPDATE t SET a = ? WHERE b = ? AND c = ?`
	if got := SQLite.bind(statement); got != statement {
		t.Errorf("SQLite: %s", got)
	}
	if got, want := PostgreSQL.bind(statement), `UPDATE t SET a = $1 WHERE b = $2 AND c = $3`; got != want {
		t.Errorf("PostgreSQL: %s", got)
	}
}

// TestTheSchemaIsTheDocumentedOne holds what is created to the page that tells
// people who create it themselves.
func TestTheSchemaIsTheDocumentedOne(t *testing.T) {
	const want = `CREATE TABLE IF NOT EXISTS bank_basis (
  topic    VARCHAR(249) NOT NULL,
  part     INTEGER      NOT NULL,
  topic_id CHAR(32)     NOT NULL,
  basis    BIGINT       NOT NULL,
  PRIMARY KEY (topic, part)
);

CREATE TABLE IF NOT EXISTS bank_poison (
  topic        VARCHAR(249) NOT NULL,
  part         INTEGER      NOT NULL,
  log_offset   BIGINT       NOT NULL,
  record_key   BYTEA,
  record_value BYTEA,
  reason       TEXT         NOT NULL,
  PRIMARY KEY (topic, part, log_offset)
);
`
	if got := PostgreSQL.Schema("bank_"); got != want {
		t.Errorf("got\n%s", got)
	}
}
