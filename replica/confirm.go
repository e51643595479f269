package replica

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// confirming is a question that waits for the proof that this broker leads.
type confirming struct {
	round      int64
	deadlineMs int64
	done       func(protocol.LeaderEpoch, error)
}

// Confirm asks for the proof that this broker leads the partition, see
// Core.Confirm. done is called once, from the loop, and must not block: with the
// epoch in which this broker led after the call, or with ErrNotLeader, when it
// does not lead, doubts that it does, or has no proof within patienceMs.
//
// Any answer to a client that rests on what is *not* in the log needs it: a
// leader that was deposed and does not know it would tell a reader who has read
// from its successor that what he has read does not exist.
func (p *Partition) Confirm(patienceMs int64, done func(protocol.LeaderEpoch, error)) {
	taken := p.note(func() {
		if p.core == nil || p.core.role != RoleLeader || p.doubted {
			done(-1, ErrNotLeader)
			return
		}
		round := p.core.Confirm()
		p.asking = append(p.asking, confirming{round, coreMs() + patienceMs, done})
		p.round.Store(round)
		p.moved() // followers' fetches that wait are answered, and ask again
	})
	if !taken {
		done(-1, ErrNotLeader)
	}
}

// releaseConfirmed answers whose round is certain.
func (p *Partition) releaseConfirmed() {
	if len(p.asking) == 0 {
		return
	}
	epoch := p.core.Epoch()
	p.asking = slices.DeleteFunc(p.asking, func(q confirming) bool {
		if q.round > p.confirmed {
			return false
		}
		q.done(epoch, nil)
		return true
	})
}

// expireConfirming answers who has waited for long enough.
func (p *Partition) expireConfirming(now int64) {
	p.asking = slices.DeleteFunc(p.asking, func(q confirming) bool {
		if now < q.deadlineMs {
			return false
		}
		q.done(-1, ErrNotLeader)
		return true
	})
}

// abortConfirming answers all: this broker leads no more.
func (p *Partition) abortConfirming() {
	for _, q := range p.asking {
		q.done(-1, ErrNotLeader)
	}
	p.asking = nil
}
