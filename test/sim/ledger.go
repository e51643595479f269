package sim

import (
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// ledger is told of everything that clients and brokers see, and judges it:
// what can be judged at once when it happens, the rest when the run has come to
// rest. The invariants have the names of the test plan, I1 to I14 and C1 to C11.
type ledger struct {
	w        *World
	ops      []*op // by id
	requests []*request

	promised map[protocol.Offset]promise // told as acknowledged, by the broker that told it
	seen     map[protocol.Offset]*op     // read by a consumer, or promised
	leaders  map[protocol.LeaderEpoch]reign
	ends     map[protocol.LeaderEpoch]protocol.Offset // highest end listed in an epoch
	rebuilt  bool                                     // a disk was replaced
}

// promise is an acknowledged op and the epoch of the leader that first acknowledged it.
type promise struct {
	op    *op
	epoch protocol.LeaderEpoch
}

// reign is who led an epoch, in which life.
type reign struct {
	id          protocol.BrokerID
	incarnation int64
}

func newLedger(w *World) *ledger {
	return &ledger{w: w, promised: map[protocol.Offset]promise{}, seen: map[protocol.Offset]*op{},
		leaders: map[protocol.LeaderEpoch]reign{}, ends: map[protocol.LeaderEpoch]protocol.Offset{}}
}

func (l *ledger) newOp(o *op) *op {
	o.id = len(l.ops)
	l.ops = append(l.ops, o)
	return o
}

// opsOf are the ops of a batch's records, told by their bytes. A record that no
// client wrote is a violation.
func (l *ledger) opsOf(b record.Batch) (ops []*op) {
	recs, err := b.Open(record.Limits{})
	if err != nil {
		l.w.fail("I5", "batch at offset %d cannot be read: %v", b.BaseOffset(), err)
		return nil
	}
	defer recs.Release()
	for w := recs.Walk(); w.Next(); {
		o := l.opNamed(string(w.Value))
		if o == nil {
			l.w.fail("I5", "offset %d holds %q, which nobody wrote", b.BaseOffset()+protocol.Offset(w.OffsetDelta), w.Value)
			return nil
		}
		ops = append(ops, o)
	}
	return ops
}

func (l *ledger) opNamed(value string) *op {
	name, _, _ := strings.Cut(strings.TrimPrefix(value, "op "), ":")
	id, err := strconv.Atoi(name)
	if err != nil || id < 0 || id >= len(l.ops) || l.ops[id].value() != value {
		return nil
	}
	return l.ops[id]
}

// put holds one value to an offset (I5).
func (l *ledger) put(at protocol.Offset, o *op, who string) {
	if was := l.seen[at]; was != nil && was != o {
		l.w.fail("I5", "offset %d was op %d, and %s op %d", at, was.id, who, o.id)
	}
	l.seen[at] = o
}

func (l *ledger) consumed(b record.Batch) {
	for i, o := range l.opsOf(b) {
		l.put(b.BaseOffset()+protocol.Offset(i), o, "a consumer read")
	}
}

func (l *ledger) confirmed(req *request, base protocol.Offset) { req.acked, req.base = true, base }

// check judges the whole run by the final log.
func (l *ledger) check() {
	log := l.finalLog()
	if l.w.failure != nil {
		return
	}
	l.checkReplicas()
	l.checkPromises(log)
	l.checkFates(log)
	l.checkSequences()
	l.checkLocks(log)
	l.checkRefusals(log)
	l.checkMoney(log)
	for _, b := range l.w.brokers {
		l.checkTable(b, "at rest")
	}
}

// finalLog is the op at each offset of the log that all replicas ended with.
// A damaged batch that nobody has read since is no fault; one disk at most has any.
func (l *ledger) finalLog() (log []*op) {
	for _, b := range l.w.brokers {
		if !intact(b.disk.batches) {
			continue
		}
		for _, batch := range b.disk.batches {
			log = append(log, l.opsOf(batch)...)
		}
		return log
	}
	l.w.fail("I1", "no replica has an undamaged log")
	return nil
}
