package replica

import (
	"fmt"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Fold is a state that follows from the log alone: the same on every replica
// that has the same log, and made again from it after a crash. A machine keeps a
// list of them, and each sees every batch once, in the order of the log, the
// uncommitted end included: on a leader when the batch is placed, on a follower
// when it is written, on a start what no checkpoint covers.
//
// One of them judges: on a leader the lock table has taken in a batch's marks as
// it admitted it, so that Apply finds nothing new in it.
type Fold interface {
	// Name is what the fold's checkpoints are called; a-z and "-".
	Name() string
	// Open makes the fold what its newest checkpoint at or below the log's end
	// says, or empty. After a truncation it is called again.
	Open(log Log) error
	// Forget makes Open find nothing: the log is about to begin anew elsewhere.
	Forget() error
	// Applied is the offset below which all is folded.
	Applied() protocol.Offset
	// NeedsRecords reports whether Apply must see the batch's records beside its header.
	NeedsRecords(b record.Batch) bool
	// Apply takes in a batch. Its records are nil if not asked for, or if the fold
	// has judged them.
	Apply(b record.Batch, records *record.Records, nowMs int64)
	// Due forgets what time has made useless, and reports whether the fold is to be
	// saved now. Housekeeping asks it, from time to time.
	Due(log Log, highWatermark protocol.Offset, nowMs int64) (bool, error)
	// Checkpoint saves the fold. All that it has seen is on disk, but what lies
	// above the high watermark may be cut off again; stable is the last stable
	// offset. A fold with a store of its own returns nil, others what is to be kept
	// beside the log at Applied().
	Checkpoint(stable protocol.Offset, nowMs int64) ([]byte, error)
	// Saved is the offset up to which the newest checkpoint goes.
	Saved() protocol.Offset
	// Needs is the offset from which on the log must stay, since the fold could
	// not be made again without it.
	Needs() protocol.Offset
	// Close gives memory back.
	Close()
}

// folds are those of one partition. A further fold is one more of all, and no
// rule of the machine names it.
type folds struct {
	all          []Fold
	locks        *lockFold
	producers    *producerFold
	transactions *transactionFold
	limits       record.Limits
	opened       record.Records // scratch
}

func newFolds(o *MachineOptions) folds {
	locks, transactions := &lockFold{o: o}, &transactionFold{o: o}
	producers := &producerFold{o: o, transactions: transactions}
	return folds{
		all:   append([]Fold{locks, producers, transactions}, o.moreFolds...),
		locks: locks, producers: producers, transactions: transactions, limits: o.Limits,
	}
}

func (f *folds) open(log Log) error {
	for _, fold := range f.all {
		if err := fold.Open(log); err != nil {
			return err
		}
	}
	return nil
}

func (f *folds) forget() error {
	for _, fold := range f.all {
		if err := fold.Forget(); err != nil {
			return err
		}
	}
	return nil
}

// applied is the offset below which all folds have all.
func (f *folds) applied() protocol.Offset {
	least := f.all[0].Applied()
	for _, fold := range f.all[1:] {
		least = min(least, fold.Applied())
	}
	return least
}

// needs is the offset from which on the log must stay.
func (f *folds) needs() protocol.Offset {
	least := f.all[0].Needs()
	for _, fold := range f.all[1:] {
		least = min(least, fold.Needs())
	}
	return least
}

// apply shows a batch to all folds that have not seen it, and opens it only for
// those that need its records. judged says that the judge has.
func (f *folds) apply(b record.Batch, judged bool, nowMs int64) error {
	open := false
	for _, fold := range f.all {
		switch {
		case b.LastOffset() < fold.Applied():
		case judged && fold == Fold(f.locks), !fold.NeedsRecords(b):
			fold.Apply(b, nil, nowMs)
		default:
			open = true
		}
	}
	if !open {
		return nil
	}
	return f.applyRecords(b, nowMs)
}

// applyRecords shows an open batch to the folds that still have not seen it.
func (f *folds) applyRecords(b record.Batch, nowMs int64) (err error) {
	if f.opened, err = b.Open(f.limits); err != nil {
		return fmt.Errorf("batch at offset %d: %w", b.BaseOffset(), err)
	}
	defer f.opened.Release()
	for _, fold := range f.all {
		if b.LastOffset() >= fold.Applied() {
			fold.Apply(b, &f.opened, nowMs)
		}
	}
	return nil
}

func (f *folds) close() {
	for _, fold := range f.all {
		fold.Close()
	}
}

// lockFold is the lock table, which judges. Its checkpoints are its base.
type lockFold struct {
	o     *MachineOptions
	table *conflict.LockTable
	judge Judge           // the table, unless a test stands between
	saved protocol.Offset // up to where the base has folded, at the last checkpoint
}

// Name implements Fold.
func (f *lockFold) Name() string { return "locks" }

// Open implements Fold. The base never gets ahead of the last stable offset, so a
// truncation leaves it right.
func (f *lockFold) Open(log Log) error {
	if f.table != nil {
		f.table.Reset()
		return nil
	}
	var part *conflict.Part
	if f.o.Base != nil {
		var err error
		if part, err = f.o.Base.Partition(f.o.ID); err != nil {
			return err
		}
	}
	table, err := conflict.Open(conflict.Options{
		Base: part, Budget: f.o.Budget, LogStart: log.Start(), LogEnd: log.End(),
		LockRetentionMs: f.o.Settings.LockRetentionMs, IDRetentionMs: f.o.Settings.LockIDRetention,
	})
	if err != nil {
		return err
	}
	f.table, f.judge = table, table
	if f.o.Judge != nil {
		f.judge = f.o.Judge(table)
	}
	f.saved = 0
	return nil
}

// Forget implements Fold.
func (f *lockFold) Forget() error {
	f.Close()
	f.table = nil
	if f.o.Base == nil {
		return nil
	}
	if err := f.o.Base.Delete(f.o.ID); err != nil {
		return fmt.Errorf("forget the lock table: %w", err)
	}
	return nil
}

// Applied implements Fold.
func (f *lockFold) Applied() protocol.Offset { return f.table.End() + 1 }

// NeedsRecords implements Fold.
func (f *lockFold) NeedsRecords(b record.Batch) bool { return conflict.NeedsRecords(b) }

// Apply implements Fold.
func (f *lockFold) Apply(b record.Batch, records *record.Records, _ int64) { f.table.Fold(b, records) }

// Due implements Fold: the table is saved when retention waits for it, and not by
// the clock, since a million locks take the base a second.
func (f *lockFold) Due(log Log, highWatermark protocol.Offset, nowMs int64) (bool, error) {
	return log.Expires(nowMs, highWatermark)
}

// Checkpoint implements Fold: it brings the base up to the last stable offset.
func (f *lockFold) Checkpoint(stable protocol.Offset, nowMs int64) ([]byte, error) {
	for work := f.table.Checkpoint(stable, nowMs); work != nil; work = f.table.Checkpoint(stable, nowMs) {
		err := work()
		f.table.Flushed(err)
		if err != nil {
			return nil, fmt.Errorf("checkpoint the lock table: %w", err)
		}
	}
	f.saved = f.table.Applied() + 1
	return nil, nil
}

// advance brings the base up to the last stable offset where transactions hold up
// Checkpoint, since the log is about to begin there.
func (f *lockFold) advance(stable, highWatermark protocol.Offset, nowMs int64) error {
	work := f.table.Advance(stable, highWatermark, nowMs)
	if work == nil {
		return nil
	}
	err := work()
	f.table.Flushed(err)
	if err != nil {
		return fmt.Errorf("checkpoint the lock table: %w", err)
	}
	f.saved = f.table.Applied() + 1
	return nil
}

// Saved implements Fold.
func (f *lockFold) Saved() protocol.Offset { return f.saved }

// Needs implements Fold.
func (f *lockFold) Needs() protocol.Offset { return f.saved }

// flush keeps the table's memory within its budget while much is folded.
func (f *lockFold) flush(stable protocol.Offset, nowMs int64) error {
	work := f.table.Flush(stable, nowMs)
	if work == nil {
		return nil
	}
	err := work()
	f.table.Flushed(err)
	return err
}

// Close implements Fold.
func (f *lockFold) Close() {
	if f.table != nil {
		f.table.Close()
	}
}
