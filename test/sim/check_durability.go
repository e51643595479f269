package sim

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// acknowledged: a broker tells a writer that its records are in the log. From
// now on they must be, whatever fails (I4): at this very moment enough disks
// hold them. An answer to a try that its writer has given up tells nobody
// anything: the sequence in it may have been used for something else since.
func (c *checker) acknowledged(b *broker, req *request, a answer) {
	if req.client.pending != req {
		return
	}
	c.w.trace("%d: acknowledges op %d at %d in epoch %d", b.id, req.ops[0].id, a.base, b.core().Epoch())
	last := protocol.Offset(protocol.None)
	for i, o := range req.ops {
		at := place(a.base, a.skipped, i)
		if at == protocol.None {
			continue
		}
		last = max(last, at)
		c.put(at, o, "a leader acknowledged")
		if _, before := c.acked[at]; !before {
			c.acked[at] = acknowledgement{o, b.core().Epoch()}
		}
	}
	if last == protocol.None {
		return
	}
	c.end = max(c.end, last+1)
	batch, ok := batchAt(b.disk, last)
	if !ok && c.w.o.Compacts && last < b.disk.End() {
		return // a repeat of what was superseded since
	}
	if !ok {
		c.w.fail("I1", "broker %d acknowledged op %d at offset %d, which it does not have", b.id, req.ops[0].id, last)
		return
	}
	if c.rebuilt {
		return // the disk that was replaced may have had one of the copies
	}
	if n := c.copies(last, batch); n < min(c.w.o.MinInsync, len(c.w.brokers)) {
		c.w.fail("I4", "broker %d acknowledged op %d at offset %d, which is on %d disks", b.id, req.ops[0].id, last, n)
	}
}

// copies counts the disks that hold the batch for certain.
func (c *checker) copies(at protocol.Offset, batch record.Batch) (n int) {
	for _, b := range c.w.brokers {
		other, ok := batchAt(b.disk, at)
		if b.disk.syncedEnd() > at && (ok && c.same(batch, other) || !ok && c.w.o.Compacts) {
			n++
		}
	}
	return n
}

func batchAt(d *disk, o protocol.Offset) (record.Batch, bool) {
	i := d.at(o)
	if i == len(d.batches) || d.batches[i].BaseOffset() > o {
		return record.Batch{}, false
	}
	return d.batches[i], true
}

// same compares batches by what a bit flip in their records leaves alone.
func (c *checker) same(a, b record.Batch) bool {
	return a.BaseOffset() == b.BaseOffset() && a.LeaderEpoch() == b.LeaderEpoch() && (a.CRC() == b.CRC() || c.w.o.Compacts)
}

// elected: a broker begins to lead, as far as it knows; others may lead later
// epochs by now. It has all that was acknowledged in earlier ones (I13), nobody else ever led this epoch (I14), and its table is the log's (C7).
func (c *checker) elected(b *broker) {
	now := leadership{b.id, b.session.epoch}
	was, again := c.leaders[b.core().Epoch()]
	if again && was != now {
		c.w.fail("I14", "epoch %d was led by broker %d in broker epoch %d, and now by %d in %d", b.core().Epoch(), was.id, was.epoch, now.id, now.epoch)
	}
	c.leaders[b.core().Epoch()] = now
	c.w.mark(true, "leader elected")
	if before, ok := c.leaders[b.core().Epoch()-1]; ok && before.id == b.id && before.epoch != now.epoch {
		c.w.mark(true, "leader re-elected in a new broker epoch")
	}
	for at, p := range c.acked {
		if p.epoch >= b.core().Epoch() || c.w.o.Compacts && at < b.disk.End() {
			continue
		}
		if batch, ok := batchAt(b.disk, at); !ok || !c.holds(batch, at, p.op) {
			c.w.fail("I13", "broker %d leads epoch %d without op %d, acknowledged at offset %d in epoch %d", b.id, b.core().Epoch(), p.op.id, at, p.epoch)
			return
		}
	}
	c.checkTable(b, "at its election")
}

// holds reports whether a batch has an op at an offset. A damaged batch counts
// as having it: reading it finds the damage, and that is another matter.
func (c *checker) holds(b record.Batch, at protocol.Offset, o *op) bool {
	if !intact([]record.Batch{b}) {
		return true
	}
	held := false
	c.opsOf(b, func(offset protocol.Offset, other *op) { held = held || offset == at && other == o })
	return held
}

// checkAcknowledged: every acknowledged op is where it was said to be (I1), and
// every op that was read (I9).
func (c *checker) checkAcknowledged(log []*op) {
	for at, o := range c.seen {
		if int(at) >= len(log) || log[at] != o {
			c.w.fail("I1", "op %d was acknowledged or read at offset %d and is not there at last", o.id, at)
			return
		}
	}
	for _, req := range c.requests {
		for i, o := range req.ops {
			if at := int(place(req.base, req.skipped, i)); req.acked && at >= 0 && (at >= len(log) || log[at] != o) {
				c.w.fail("I1", "op %d was acknowledged at offset %d and is not there at last", o.id, at)
				return
			}
		}
	}
}

// checkOutcomes: nothing that was refused is in the log (I2, C5), nothing is there
// twice (I3), and a request is there wholly or not at all (C6).
func (c *checker) checkOutcomes(log []*op) {
	count := make([]int, len(c.ops))
	for at, o := range log {
		if o == nil {
			continue
		}
		if count[o.id]++; count[o.id] == 2 {
			c.w.fail("I3", "op %d is in the log twice, at last at offset %d", o.id, at)
			return
		}
	}
	for _, req := range c.requests {
		in := 0
		for _, o := range req.ops {
			in += count[o.id]
		}
		switch {
		case req.refusal != nil && in > 0:
			c.w.fail("I2", "op %d was refused (%s) and its batch is in the log", req.ops[0].id, req.refusal)
		case req.perAppend && c.refusedAloneAndThere(req, count):
		case !req.perAppend && !c.w.o.Compacts && in > 0 && in < len(req.ops):
			c.w.fail("C6", "%d of the %d ops of a batch are in the log", in, len(req.ops))
		default:
			continue
		}
		return
	}
}

// refusedAloneAndThere: an append that was refused alone is in the log.
func (c *checker) refusedAloneAndThere(req *request, count []int) bool {
	for i, o := range req.ops {
		if req.acked && place(req.base, req.skipped, i) == protocol.None && count[o.id] > 0 {
			c.w.fail("I2", "op %d was refused alone, and is in the log", o.id)
			return true
		}
	}
	return false
}

// crashed: no checkpoint speaks of what the power cut has taken (I15). What
// comes to stand there instead would never be folded.
func (c *checker) crashed(b *broker) {
	for _, saved := range b.disk.checkpoints {
		if saved.at > b.disk.End() {
			c.w.fail("I15", "broker %d has saved its %s at offset %d, and a power cut has left it a log up to %d", b.id, saved.name, saved.at, b.disk.End())
		}
	}
	b.disk.dropAbove()
}

// checkSequences: a producer's sequences follow each other without a gap (I6).
func (c *checker) checkSequences() {
	type producer struct {
		epoch protocol.ProducerEpoch
		next  protocol.Sequence
	}
	known := map[protocol.ProducerID]producer{}
	for _, b := range c.w.brokers[0].disk.batches {
		id := b.ProducerID()
		if id == protocol.NoProducer {
			continue
		}
		p := known[id]
		if p.epoch != b.ProducerEpoch() {
			p = producer{epoch: b.ProducerEpoch()}
		}
		if b.BaseSequence() != p.next && !(c.w.o.Compacts && b.BaseSequence() > p.next) {
			c.w.fail("I6", "producer %d wrote sequence %d at offset %d, where %d was to come", id, b.BaseSequence(), b.BaseOffset(), p.next)
			return
		}
		p.next = b.LastSequence() + 1
		known[id] = p
	}
}
