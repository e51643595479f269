package sqlview

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/client"
)

// Apply puts one record into the application's tables. It uses tx alone, does
// not end it, and depends on nothing but the tables and the record: it is
// called again when the transaction did not come about.
type Apply func(ctx context.Context, tx *sql.Tx, r *kgo.Record) error

// Poison decides about a record that cannot be applied, because of cause. It is
// called with a transaction that has none of the record's changes. nil skips
// the record: what Poison did in the transaction and the basis behind the
// record are committed together. An error ends the view with a *PoisonError.
// All processes that share a database must decide alike.
type Poison func(ctx context.Context, tx *sql.Tx, r *kgo.Record, cause error) error

// Options are what New may be told. Dialect is needed.
type Options struct {
	Dialect Dialect
	// Prefix begins the names of the view's own tables; "" is lockstep_.
	Prefix string
	// BatchRecords bounds the records of one transaction; 0 is 500.
	BatchRecords int
	// Poison decides about records that cannot be applied; nil is Stop.
	// Quarantine keeps them in a table.
	Poison Poison
	// Passing reports whether an error may pass, so that the transaction is to
	// be tried again; nil is the package's Passing.
	Passing func(error) bool
	// Logger is told when the database begins to refuse and when it is well
	// again; nil is slog.Default().
	Logger *slog.Logger
	// AllowCut lets tables to which nothing was applied yet begin where the
	// partition's log does, though records from before that were removed; see
	// client.AllowCut.
	AllowCut bool
	// Feed is added to the options of the kgo client that reads the partition.
	Feed []kgo.Opt
}

// fold is what the options tell client.NewFold.
func (o *Options) fold() []client.ViewOption {
	opts := []client.ViewOption{client.FeedWith(o.Feed...)}
	if o.AllowCut {
		opts = append(opts, client.AllowCut())
	}
	return opts
}

const batchRecordsDefault = 500

func (o Options) withDefaults() Options {
	if o.Prefix == "" {
		o.Prefix = prefixDefault
	}
	if o.BatchRecords <= 0 {
		o.BatchRecords = batchRecordsDefault
	}
	if o.Poison == nil {
		o.Poison = Stop
	}
	if o.Passing == nil {
		o.Passing = Passing
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}
