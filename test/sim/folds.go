package sim

import (
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// folds is what a replica derives from its log, as leader and as follower.
type folds struct {
	producers *replica.Producers
	locks     *conflict.LockTable
	cutAt     protocol.Offset // where the log was last truncated, until it grows

	committed *conflict.LockTable      // planted: sees only what is committed
	narrow    map[byte]protocol.Offset // planted: locks by a few bits
}

func newFolds() folds {
	return folds{cutAt: -1, producers: replica.NewProducers(), locks: newTable(), committed: newTable(), narrow: map[byte]protocol.Offset{}}
}

func newTable() *conflict.LockTable {
	c, err := conflict.Open(conflict.Options{})
	if err != nil {
		panic(err)
	}
	return c
}

func (f *folds) fold(b record.Batch) {
	f.cutAt = -1
	f.producers.Fold(b, 0)
	foldTable(f.locks, b)
}

// refold makes the folds what the log below an offset says.
func (f *folds) refold(d *disk, below protocol.Offset) {
	f.producers = replica.NewProducers()
	for _, b := range d.read(0, below, len(d.batches)) {
		f.producers.Fold(b, 0)
	}
	f.refoldLocks(d, below)
}

func (f *folds) refoldLocks(d *disk, below protocol.Offset) {
	f.locks.Reset()
	for _, b := range d.read(0, below, len(d.batches)) {
		foldTable(f.locks, b)
	}
}

// foldTable folds a batch as a Partition does. A damaged one folds to nothing:
// only a planted bug lets it come so far.
func foldTable(c *conflict.LockTable, b record.Batch) {
	if !conflict.NeedsRecords(b) {
		c.Fold(b, nil)
		return
	}
	recs, err := b.Open(record.Limits{})
	if err != nil {
		c.Observe(b)
		return
	}
	c.Fold(b, &recs)
	recs.Release()
}
