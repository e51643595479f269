package sqlview

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// PoisonError is why a view has ended: a record that cannot be applied, and
// that the policy does not skip.
type PoisonError struct {
	Topic     string
	Partition int32
	Offset    int64
	Cause     error
}

// Error says which record and why.
func (e *PoisonError) Error() string {
	return fmt.Sprintf("the record at offset %d of %s-%d cannot be applied: %v", e.Offset, e.Topic, e.Partition, e.Cause)
}

// Unwrap is the cause.
func (e *PoisonError) Unwrap() error { return e.Cause }

// Stop ends the view: its basis stays before the record, until a program that
// can apply it is started.
func Stop(_ context.Context, _ *sql.Tx, _ *kgo.Record, cause error) error { return cause }

// Quarantine skips a record that cannot be applied and keeps it, with the
// reason, in the table lockstep_poison. prefix is Options.Prefix.
func Quarantine(d Dialect, prefix string) Poison {
	if prefix == "" {
		prefix = prefixDefault
	}
	insert := d.bind(`INSERT INTO ` +
		prefix + `poison (topic, part, log_offset, record_key, record_value, reason) VALUES (?, ?, ?, ?, ?, ?)`)
	return func(ctx context.Context, tx *sql.Tx, r *kgo.Record, cause error) error {
		_, err := tx.ExecContext(ctx, insert, r.Topic, r.Partition, r.Offset, r.Key, r.Value, cause.Error())
		return err
	}
}
