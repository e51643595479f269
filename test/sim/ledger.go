package sim

import (
	"strconv"
	"strings"

	"github.com/lockstep-log/lockstep/conflict"
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
	end      protocol.Offset // behind all that was acknowledged, or told to be the end
	rebuilt  bool            // a disk was replaced
}

// promise is an acknowledged op and the epoch of the leader that first acknowledged it.
type promise struct {
	op    *op
	epoch protocol.LeaderEpoch
}

// reign is who led an epoch, in which broker epoch.
type reign struct {
	id    protocol.BrokerID
	epoch protocol.BrokerEpoch
}

func newLedger(w *World) *ledger {
	return &ledger{w: w, promised: map[protocol.Offset]promise{}, seen: map[protocol.Offset]*op{},
		leaders: map[protocol.LeaderEpoch]reign{}}
}

func (l *ledger) newOp(o *op) *op {
	o.id = len(l.ops)
	l.ops = append(l.ops, o)
	return o
}

// opsOf calls f with the ops of a batch's records, told by their bytes, and
// their offsets. A record that no client wrote is a violation.
func (l *ledger) opsOf(b record.Batch, f func(protocol.Offset, *op)) {
	recs, err := b.Open(record.Limits{})
	if err != nil {
		l.w.fail("I5", "batch at offset %d cannot be read: %v", b.BaseOffset(), err)
		return
	}
	defer recs.Release()
	for w := recs.Walk(); w.Next(); {
		at := b.BaseOffset() + protocol.Offset(w.OffsetDelta)
		o := l.opNamed(string(w.Value))
		if o == nil {
			l.w.fail("I5", "offset %d holds %q, which nobody wrote", at, w.Value)
			return
		}
		f(at, o)
	}
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
	l.opsOf(b, func(at protocol.Offset, o *op) { l.put(at, o, "a consumer read") })
}

func (l *ledger) confirmed(req *request, a answer) {
	req.acked, req.base, req.left = true, a.base, a.left
}

// place is where the answer to a request says that one of its ops is: None where
// it was refused.
func place(base protocol.Offset, left []conflict.Skipped, i int) protocol.Offset {
	for _, l := range left {
		switch {
		case int32(i) < l.First || int32(i) > l.Last:
		case l.Refusal != nil:
			return protocol.None
		default:
			return l.At + protocol.Offset(i) - protocol.Offset(l.First)
		}
	}
	return base + protocol.Offset(i)
}

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
		l.checkCompacted(b)
		l.checkTable(b, "at rest")
	}
}

// finalLog is the op at each offset of the log that all replicas ended with; nil
// where a record was left out.
// A damaged batch that nobody has read since is no fault; one disk at most has any.
func (l *ledger) finalLog() (log []*op) {
	for _, b := range l.w.brokers {
		if !intact(b.disk.batches) {
			continue
		}
		log = l.opsIn(b.disk)
		for at, o := range l.seen { // what was superseded since is judged as well
			if l.w.o.Compacts && int(at) < len(log) && log[at] == nil {
				log[at] = o
			}
		}
		return log
	}
	l.w.fail("I1", "no replica has an undamaged log")
	return nil
}
