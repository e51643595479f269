package replica

import (
	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
)

// LockState is what is known of one lock.
type LockState struct {
	Last    protocol.Offset // None: never written
	By      string          // lock-id of its last writer; "" for none
	Refused uint64          // requests refused because of it, about, since the broker started
	Held    *conflict.Hold  // by an open transaction; nil: by none
}

// Lock looks a lock up. The item's name is decoded and Raw as a header has it;
// All asks for the whole partition.
func (p *Partition) Lock(item protocol.LockItem) (state LockState, err error) {
	ran := p.runInLoop(func() {
		var known bool
		if item.All {
			state.Last, state.By, known = p.m.LockTable().LastRecord()
		} else {
			state.Last, state.By, known, err = p.m.LockTable().Last(item.Name)
			if h, held := p.m.LockTable().Held(item.Name); held {
				state.Held = &h
			}
		}
		if !known {
			state.Last = protocol.None
		}
		state.Refused = p.m.LockTable().RefusedFor(string(item.Raw))
	})
	if !ran {
		return state, ErrNotLeader
	}
	return state, err
}

// HoldsLocks reports whether any lock was written in this partition; ok is false
// if it is closed.
func (p *Partition) HoldsLocks() (locked, ok bool) {
	ok = p.runInLoop(func() { locked = p.m.LockTable().HoldsLocks() })
	return locked, ok
}

// Check judges requests as an append of each would be, all against the same
// table, and appends nothing. A request may be nil: it has no locks.
func (p *Partition) Check(requests []*conflict.Request) (verdicts []conflict.Verdict, err error) {
	ran := p.runInLoop(func() {
		if err = p.m.mayAppend(AcksAll); err != nil {
			return
		}
		verdicts = make([]conflict.Verdict, len(requests))
		for i, r := range requests {
			if r != nil {
				verdicts[i] = p.m.LockTable().Judge(r, p.m.LastStable())
				if refusal := verdicts[i].Refusal; refusal != nil {
					refusal.LogStart = p.m.log.Start()
				}
			}
		}
	})
	if !ran {
		return nil, ErrNotLeader
	}
	return verdicts, err
}

// NoteRefusal records a refusal that was made before the partition was asked:
// lock headers that break the grammar.
func (p *Partition) NoteRefusal(r *protocol.Refusal) {
	p.malformed.Add(1) // before: who is told of the refusal and asks at once must find it
	p.runLater(func() { p.m.LockTable().Refuse(nil, r, p.opts.NowMs()) })
}

// Refusals are the latest refused lock requests, oldest first, and their number
// since the broker started.
func (p *Partition) Refusals() (latest []conflict.Refused, total uint64) {
	if p.refused.Load()+p.malformed.Load() == 0 {
		return nil, 0
	}
	p.runInLoop(func() { latest, total = p.m.LockTable().Refusals(nil) })
	return latest, total
}

// HotLocks are the locks that most refusals were due to.
func (p *Partition) HotLocks() (hot []conflict.HotLock) {
	if p.refused.Load()+p.malformed.Load() == 0 {
		return nil
	}
	p.runInLoop(func() { hot = p.m.LockTable().HotLocks() })
	return hot
}

// Holds counts the locks that open transactions hold.
func (p *Partition) Holds() int { return int(p.holds.Load()) }
