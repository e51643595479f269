package replica

import (
	"math"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// producersName is the name of the producer table's checkpoints.
const producersName = "producers"

// producerFold is the producers' sequences, with checkpoints beside the log.
type producerFold struct {
	o            *MachineOptions
	transactions *transactionFold // whose open ones keep their producers remembered
	table        *Producers
	sequences    Sequences // the table, unless a test stands between
	applied      protocol.Offset
	saved        protocol.Offset
}

// Name implements Fold.
func (f *producerFold) Name() string { return producersName }

// Open implements Fold.
func (f *producerFold) Open(log Log) error {
	f.table, f.applied = NewProducers(), log.Start()
	if at, data, ok := log.ReadCheckpoint(producersName, log.End()); ok {
		if table, err := DecodeProducers(data); err == nil {
			f.table, f.applied = table, at
		} else {
			f.o.Logger.Warn("producer checkpoint does not decode; partition replays its log instead",
				"partition", f.o.ID.Index, "error", err)
		}
	}
	f.saved, f.sequences = f.applied, f.table
	if f.o.Sequences != nil {
		f.sequences = f.o.Sequences(f.table)
	}
	return nil
}

// Forget implements Fold: what was written before the log's start is still what
// producers count on.
func (f *producerFold) Forget() error { return nil }

// Applied implements Fold.
func (f *producerFold) Applied() protocol.Offset { return f.applied }

// NeedsRecords implements Fold.
func (f *producerFold) NeedsRecords(record.Batch) bool { return false }

// Apply implements Fold.
func (f *producerFold) Apply(b record.Batch, _ *record.Records, nowMs int64) {
	f.table.Fold(b, nowMs)
	f.applied = b.NextOffset()
}

// Due implements Fold: silent producers are forgotten, and the table is saved when
// a start after a crash would have much to fold.
func (f *producerFold) Due(log Log, _ protocol.Offset, nowMs int64) (bool, error) {
	f.table.Expire(nowMs-f.o.Settings.ProducerMs, f.transactions.table.Has)
	return int64(log.End()-f.saved) >= f.o.CheckpointEvery, nil
}

// Checkpoint implements Fold.
func (f *producerFold) Checkpoint(protocol.Offset, int64) ([]byte, error) {
	f.saved = f.applied
	return f.table.AppendTo(nil), nil
}

// Saved implements Fold.
func (f *producerFold) Saved() protocol.Offset { return f.saved }

// Needs implements Fold: a producer that was silent for so long that retention
// takes its last batch begins anew.
func (f *producerFold) Needs() protocol.Offset { return math.MaxInt64 }

// Close implements Fold.
func (f *producerFold) Close() {}
