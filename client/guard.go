package client

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lockstep-log/lockstep/protocol"
)

// GuardKey is the key of a guard: a record without a value, by which a partition of
// which a decision has named only locks takes part in its transaction. Views and
// folds do not apply guards; other readers skip them by key and missing value.
const GuardKey = "lockstep-guard"

func newGuard() *kgo.Record { return &kgo.Record{Key: []byte(GuardKey)} }

func isGuard(r *kgo.Record) bool {
	return r.Value == nil && string(r.Key) == GuardKey &&
		slices.ContainsFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == protocol.HeaderLockID })
}

// withoutGuards are the records that say something.
func withoutGuards(records []*kgo.Record) []*kgo.Record {
	if !slices.ContainsFunc(records, isGuard) {
		return records
	}
	return slices.DeleteFunc(slices.Clone(records), isGuard)
}
