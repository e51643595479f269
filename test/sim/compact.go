package sim

import (
	"context"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
	"github.com/lockstep-log/lockstep/segment"
)

// compaction is what a pass of compaction has made of a log up to an offset.
type compaction struct {
	upTo    protocol.Offset
	batches []record.Batch
	cuts    int
}

// compact begins a pass: the machine plans it, segment.Log makes it, and the
// machine takes it over some time later.
func (b *broker) compact() {
	if !b.w.o.Compacts || b.compacted != nil || b.w.closing || !b.w.chance(0.15) {
		return
	}
	call := &replica.Call{}
	call.Return = func() {
		if call.Plan != nil && b.machine != nil {
			b.rewrite(*call.Plan)
		}
	}
	b.task(replica.PlanCompaction{Call: call})
}

func (b *broker) rewrite(plan segment.CompactOptions) {
	if b.w.bugs.CompactToEnd {
		plan.Below = b.disk.End()
	}
	r := &compaction{upTo: b.disk.End(), cuts: b.cuts}
	if b.compacted = r; !b.pass(plan, r) {
		b.compacted = nil
		return
	}
	b.after(1+b.w.rng.Int64N(100*ms), func() { b.task(replica.AdoptCompaction{Call: &replica.Call{}}) })
}

// pass compacts a copy of the log, with segments so small that all but its last
// batches are sealed, and reports whether anything became of it.
func (b *broker) pass(plan segment.CompactOptions, r *compaction) bool {
	log, err := segment.Open(vfs.NewMem(), "log", segment.Config{SegmentBytes: 200})
	if err != nil {
		panic(err)
	}
	defer log.Close()
	if err := log.Append(b.wallMs(), b.disk.batches...); err != nil {
		panic(err)
	}
	pass, err := log.Compact(plan)
	if err != nil {
		panic(err)
	}
	if pass == nil {
		return false
	}
	defer pass.Close()
	for {
		more, err := pass.Next(context.Background())
		if err != nil {
			panic(err)
		}
		if !more {
			break
		}
		if err := log.Adopt(pass); err != nil {
			panic(err)
		}
	}
	err = log.Scan(0, log.End(), func(batch record.Batch) error {
		own, _, err := record.View(append([]byte(nil), batch.Bytes()...))
		r.batches = append(r.batches, own)
		return err
	})
	if err != nil {
		panic(err)
	}
	stats := pass.Stats()
	b.w.mark(stats.RecordsOut < stats.RecordsIn, "compacted")
	return stats.RecordsOut < stats.RecordsIn
}

// adopt puts what a pass has made in the place of what it was made of.
func (b *broker) adopt() error {
	r, d := b.compacted, b.disk
	b.compacted = nil
	if r == nil || r.cuts != b.cuts {
		return segment.ErrCompactionStale
	}
	synced, rest := d.syncedEnd(), d.at(r.upTo)
	batches, before := r.batches, make([]protocol.Offset, len(r.batches))
	for i, batch := range batches {
		before[i] = batch.BaseOffset()
	}
	d.batches, d.before = append(batches, d.batches[rest:]...), append(before, d.before[rest:]...)
	d.synced = d.at(synced)
	b.w.mark(true, "compaction adopted")
	return nil
}

// superseded reports whether compaction may have left an op out of a log: its
// key was written again later, and so was each of its locks.
func superseded(log []*op, at protocol.Offset, o *op) bool {
	key, again := false, map[string]bool{}
	for _, later := range log[at+1:] {
		if later == nil {
			continue
		}
		key = key || later.key == o.key
		for _, lock := range later.writes {
			again[lock] = true
		}
	}
	for _, lock := range o.writes {
		key = key && again[lock]
	}
	return key
}

// checkCompacted: what is missing in a replica's log is superseded by what is
// there, and is the newest that marks none of its locks (I16).
func (c *checker) checkCompacted(b *broker) {
	if !c.w.o.Compacts {
		return
	}
	log := c.opsIn(b.disk)
	for at, o := range c.seen {
		if int(at) < len(log) && log[at] == nil && !superseded(log, at, o) {
			c.w.fail("I16", "broker %d has lost op %d at offset %d, which nothing up to %d has superseded", b.id, o.id, at, b.disk.End())
			return
		}
	}
}

// opsIn is the op at each offset of a log; nil where a record was left out.
func (c *checker) opsIn(d *disk) []*op {
	log := make([]*op, d.End())
	for _, batch := range d.batches {
		c.opsOf(batch, func(at protocol.Offset, o *op) { log[at] = o })
	}
	return log
}
