package sim

import (
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// checker is told of everything that clients and brokers see, and judges it:
// what can be judged at once when it happens, the rest when the run has come to
// rest. The invariants have the names of the test plan, I1 to I14 and C1 to C11.
type checker struct {
	w        *World
	ops      []*op // by id
	requests []*request

	acked   map[protocol.Offset]acknowledgement // told as acknowledged, by the broker that told it
	seen    map[protocol.Offset]*op             // read by a consumer, or acked
	leaders map[protocol.LeaderEpoch]leadership
	end     protocol.Offset // behind all that was acknowledged, or told to be the end
	rebuilt bool            // a disk was replaced
}

// acknowledgement is an acknowledged op and the epoch of the leader that first acknowledged it.
type acknowledgement struct {
	op    *op
	epoch protocol.LeaderEpoch
}

// leadership is who led an epoch, in which broker epoch.
type leadership struct {
	id    protocol.BrokerID
	epoch protocol.BrokerEpoch
}

func newChecker(w *World) *checker {
	return &checker{w: w, acked: map[protocol.Offset]acknowledgement{}, seen: map[protocol.Offset]*op{},
		leaders: map[protocol.LeaderEpoch]leadership{}}
}

func (c *checker) newOp(o *op) *op {
	o.id = len(c.ops)
	c.ops = append(c.ops, o)
	return o
}

// opsOf calls f with the ops of a batch's records, told by their bytes, and
// their offsets. A record that no client wrote is a violation.
func (c *checker) opsOf(b record.Batch, f func(protocol.Offset, *op)) {
	recs, err := b.Open(record.Limits{})
	if err != nil {
		c.w.fail("I5", "batch at offset %d cannot be read: %v", b.BaseOffset(), err)
		return
	}
	defer recs.Release()
	for w := recs.Walk(); w.Next(); {
		at := b.BaseOffset() + protocol.Offset(w.OffsetDelta)
		o := c.opNamed(string(w.Value))
		if o == nil {
			c.w.fail("I5", "offset %d holds %q, which nobody wrote", at, w.Value)
			return
		}
		f(at, o)
	}
}

func (c *checker) opNamed(value string) *op {
	name, _, _ := strings.Cut(strings.TrimPrefix(value, "op "), ":")
	id, err := strconv.Atoi(name)
	if err != nil || id < 0 || id >= len(c.ops) || c.ops[id].value() != value {
		return nil
	}
	return c.ops[id]
}

// put holds one value to an offset (I5).
func (c *checker) put(at protocol.Offset, o *op, who string) {
	if was := c.seen[at]; was != nil && was != o {
		c.w.fail("I5", "offset %d was op %d, and %s op %d", at, was.id, who, o.id)
	}
	c.seen[at] = o
}

func (c *checker) consumed(b record.Batch) {
	c.opsOf(b, func(at protocol.Offset, o *op) { c.put(at, o, "a consumer read") })
}

func (c *checker) confirmed(req *request, a answer) {
	req.acked, req.base, req.skipped = true, a.base, a.skipped
}

// place is where the answer to a request says that one of its ops is: None where
// it was refused.
func place(base protocol.Offset, skipped []conflict.Skipped, i int) protocol.Offset {
	for _, s := range skipped {
		switch {
		case int32(i) < s.First || int32(i) > s.Last:
		case s.Refusal != nil:
			return protocol.None
		default:
			return s.At + protocol.Offset(i) - protocol.Offset(s.First)
		}
	}
	return base + protocol.Offset(i)
}

// check judges the whole run by the final log.
func (c *checker) check() {
	log := c.finalLog()
	if c.w.failure != nil {
		return
	}
	c.checkReplicas()
	c.checkAcknowledged(log)
	c.checkOutcomes(log)
	c.checkSequences()
	c.checkLocks(log)
	c.checkRefusals(log)
	c.checkBalances(log)
	for _, b := range c.w.brokers {
		c.checkCompacted(b)
		c.checkTable(b, "at rest")
	}
}

// finalLog is the op at each offset of the log that all replicas ended with; nil
// where a record was left out.
// A damaged batch that nobody has read since is no fault; one disk at most has any.
func (c *checker) finalLog() (log []*op) {
	for _, b := range c.w.brokers {
		if !intact(b.disk.batches) {
			continue
		}
		log = c.opsIn(b.disk)
		for at, o := range c.seen { // what was superseded since is judged as well
			if c.w.o.Compacts && int(at) < len(log) && log[at] == nil {
				log[at] = o
			}
		}
		return log
	}
	c.w.fail("I1", "no replica has an undamaged log")
	return nil
}
