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

// ConfirmLeadership asks for the proof that this broker leads the partition, see
// Core.ConfirmLeadership. done is called once, from the loop, and must not block: with the
// epoch in which this broker led after the call, or with ErrNotLeader, when it
// does not lead, doubts that it does, or has no proof within timeoutMs.
//
// Any answer to a client that rests on what is *not* in the log needs it: a
// leader that was deposed and does not know it would tell a reader who has read
// from its successor that what he has read does not exist.
func (p *Partition) ConfirmLeadership(timeoutMs int64, done func(protocol.LeaderEpoch, error)) {
	if !p.tell(ConfirmLeadership{timeoutMs, done}) {
		done(-1, ErrNotLeader)
	}
}

// confirmLeadership begins a round; EffectConfirmed answers.
func (m *Machine) confirmLeadership(e ConfirmLeadership) {
	if m.core == nil || m.core.role != RoleLeader || m.doubted {
		m.confirmedTo(e.Done, -1, ErrNotLeader)
		return
	}
	m.round = m.core.ConfirmLeadership()
	m.asking = append(m.asking, confirming{m.round, m.nowMs + e.PatienceMs, e.Done})
	m.emit(EffectMoved) // followers' fetches that wait are answered, and ask again
}

func (m *Machine) confirmedTo(done func(protocol.LeaderEpoch, error), epoch protocol.LeaderEpoch, err error) {
	e := m.emit(EffectConfirmed)
	e.Confirmed, e.Epoch, e.Err = done, epoch, err
}

// releaseConfirmed answers whose round is certain.
func (m *Machine) releaseConfirmed() {
	m.asking = slices.DeleteFunc(m.asking, func(q confirming) bool {
		if q.round > m.confirmed {
			return false
		}
		m.confirmedTo(q.done, m.core.Epoch(), nil)
		return true
	})
}

// expireConfirming answers who has waited for long enough.
func (m *Machine) expireConfirming() {
	m.asking = slices.DeleteFunc(m.asking, func(q confirming) bool {
		if m.nowMs < q.deadlineMs {
			return false
		}
		m.confirmedTo(q.done, -1, ErrNotLeader)
		return true
	})
}

// abortConfirming answers all: this broker leads no more.
func (m *Machine) abortConfirming() {
	for _, q := range m.asking {
		m.confirmedTo(q.done, -1, ErrNotLeader)
	}
	m.asking = nil
}
