package broker

import (
	"github.com/lockstep-log/lockstep/broker/fetching"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// prefixLog is what can be read of a damaged log: see prefix.go.
type prefixLog struct {
	*segment.Log
	transactions *replica.Transactions
}

// Below implements fetching.RecordSource: nothing is written any more.
func (l prefixLog) Below(bound fetching.Bound) protocol.Offset {
	if bound == fetching.Stable {
		return min(l.End(), l.transactions.FirstUndecided())
	}
	return l.End()
}

// Aborted implements fetching.RecordSource.
func (l prefixLog) Aborted(from, below protocol.Offset) []replica.AbortedTransaction {
	return l.transactions.Aborted(from, below)
}

// Read implements fetching.RecordSource.
func (l prefixLog) Read(from, below protocol.Offset, maxBytes int, atLeastOne bool) (fetching.Records, error) {
	return fetching.ReadLog(l.Log, from, below, maxBytes, atLeastOne)
}

// NoteDamage implements fetching.RecordSource: the log is known to be damaged.
func (l prefixLog) NoteDamage(error) {}
