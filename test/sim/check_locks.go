package sim

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/replica"
)

func (c *checker) refused(req *request, r *protocol.Refusal) { req.refusal = r }

// checkLocks: every admission was right: nothing that a record names was
// written between its basis and itself (C1). One pass, by the rule itself.
func (c *checker) checkLocks(log []*op) {
	last := map[string]protocol.Offset{}
	for at, o := range log {
		if o == nil {
			continue
		}
		if o.basis >= protocol.Offset(at) {
			c.w.fail("C9", "op %d at offset %d claims to have read offset %d", o.id, at, o.basis)
			return
		}
		for _, lock := range slices.Concat(o.writes, o.reads) {
			if w, ok := last[lock]; ok && w > o.basis {
				c.w.fail("C1", "op %d at offset %d was admitted with basis %d; %s was written at %d by op %d", o.id, at, o.basis, lock, w, log[w].id)
				return
			}
		}
		for _, lock := range o.writes {
			last[lock] = protocol.Offset(at)
		}
	}
}

// checkRefusals: every refusal cites a record that is in the log, behind the
// basis, and wrote the lock (C2); so none was false (C3), and none cites an
// earlier try of its own (C4).
func (c *checker) checkRefusals(log []*op) {
	for _, req := range c.requests {
		if !c.allJustified(log, req) {
			return
		}
	}
}

func (c *checker) allJustified(log []*op, req *request) bool {
	refusals := []*protocol.Refusal{req.refusal}
	for i := range req.skipped {
		refusals = append(refusals, req.skipped[i].Refusal)
	}
	for _, r := range refusals {
		if r != nil && !c.justified(log, req, r) {
			c.w.fail("C2", "op %d was refused, and the log does not say why: %s", req.ops[r.Record].id, r)
			return false
		}
	}
	return true
}

func (c *checker) justified(log []*op, req *request, r *protocol.Refusal) bool {
	o := req.ops[r.Record]
	if r.Kind != protocol.RefusalConflict || !slices.Contains(o.writes, r.Lock) && !slices.Contains(o.reads, r.Lock) {
		return false
	}
	if r.LastInBatch {
		return r.EarlierRecord < r.Record && slices.Contains(req.ops[r.EarlierRecord].writes, r.Lock)
	}
	return r.Last > o.basis && int(r.Last) < len(log) && log[r.Last] != nil && log[r.Last] != o && slices.Contains(log[r.Last].writes, r.Lock)
}

// checkTable: a replica's lock table is a replay of its log, the uncommitted
// end included (C7, C8).
func (c *checker) checkTable(b *broker, when string) {
	if !intact(b.disk.batches) {
		return
	}
	copied := &disk{batches: b.disk.batches, end: b.disk.end}
	o := b.options()
	o.Log, o.Judge, o.Sequences = copied, nil, nil
	replay, err := replica.NewMachine(o)
	if err != nil {
		c.w.fail("C7", "broker %d %s: its log cannot be folded: %v", b.id, when, err)
		return
	}
	want, err1 := replay.LockTable().Digest()
	have, err2 := b.machine.LockTable().Digest()
	if err1 != nil || err2 != nil || want != have {
		c.w.fail("C7", "broker %d %s: its lock table is not a replay of its log up to %d", b.id, when, b.disk.End())
	}
}

// checkBalances: the accounts add up, and none was ever overdrawn (C11).
func (c *checker) checkBalances(log []*op) {
	var v view
	for i := range v.balance {
		v.balance[i] = startBalance
	}
	for at, o := range log {
		v.apply(o)
		if o != nil && o.from >= 0 && v.balance[o.from] < 0 {
			c.w.fail("C11", "account %d stands at %d after op %d at offset %d", o.from, v.balance[o.from], o.id, at)
			return
		}
	}
}
