package replica

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// transactionsName is the name of the transactions' checkpoints.
const transactionsName = "transactions"

// transactionFold is the partition's transactions, with checkpoints beside the log.
type transactionFold struct {
	o       *MachineOptions
	table   *Transactions
	rules   TransactionRules // the table, unless a test stands between
	applied protocol.Offset
	saved   protocol.Offset
}

// Name implements Fold.
func (f *transactionFold) Name() string { return transactionsName }

// Open implements Fold.
func (f *transactionFold) Open(log Log) error {
	f.table, f.applied = NewTransactions(), log.Start()
	if at, data, ok := log.ReadCheckpoint(transactionsName, log.End()); ok {
		if table, err := DecodeTransactions(data); err == nil {
			f.table, f.applied = table, at
		} else {
			f.o.Logger.Warn("transaction checkpoint does not decode; partition replays its log instead",
				"partition", f.o.ID.Index, "error", err)
		}
	}
	if f.applied < log.Start() {
		f.table.beginAt()
	}
	f.saved, f.rules = f.applied, f.table
	if f.o.Transactions != nil {
		f.rules = f.o.Transactions(f.table)
	}
	return nil
}

// Forget implements Fold: what the log begins anew with has all that is undecided
// behind its start, and what is known of the producers' markers still holds.
func (f *transactionFold) Forget() error { return nil }

// Applied implements Fold.
func (f *transactionFold) Applied() protocol.Offset { return f.applied }

// NeedsRecords implements Fold.
func (f *transactionFold) NeedsRecords(b record.Batch) bool { return b.Control() && b.Count() > 0 }

// Apply implements Fold.
func (f *transactionFold) Apply(b record.Batch, records *record.Records, nowMs int64) {
	if b.Transactional() || b.Control() {
		f.table.Fold(b, records, nowMs)
	}
	f.applied = b.NextOffset()
}

// Due implements Fold: what is of no use is forgotten, and the table is saved when
// a start after a crash would have much to fold, or retention waits for it.
func (f *transactionFold) Due(log Log, highWatermark protocol.Offset, nowMs int64) (bool, error) {
	f.table.Forget(nowMs-f.o.Settings.ProducerMs, log.Start())
	if int64(log.End()-f.saved) >= f.o.CheckpointEvery {
		return true, nil
	}
	if len(f.table.byID) == 0 {
		return false, nil
	}
	return log.Expires(nowMs, highWatermark)
}

// Checkpoint implements Fold.
func (f *transactionFold) Checkpoint(protocol.Offset, int64) ([]byte, error) {
	f.saved = f.applied
	return f.table.AppendTo(nil), nil
}

// Saved implements Fold.
func (f *transactionFold) Saved() protocol.Offset { return f.saved }

// Needs implements Fold: retention passes no undecided transaction, and no marker
// that was not saved, since its repeat would not be known for one.
func (f *transactionFold) Needs() protocol.Offset {
	if len(f.table.byID) == 0 {
		return noOffset
	}
	return min(f.table.FirstUndecided(), f.saved)
}

// Close implements Fold.
func (f *transactionFold) Close() {}
