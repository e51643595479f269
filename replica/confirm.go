package replica

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// pendingConfirmation is a question that waits for the proof that this broker leads.
type pendingConfirmation struct {
	round      int64
	deadlineMs int64
	done       func(protocol.LeaderEpoch, error)
}

// ConfirmLeadership asks for the proof that this broker leads the partition, see
// Core.ConfirmLeadership. done is called once, from the loop, and must not block: with the
// epoch in which this broker led after the call, or with ErrNotLeader, when it
// does not lead, has stepped aside, or has no proof within timeoutMs.
//
// Any answer to a client that rests on what is *not* in the log needs it: a
// leader that was deposed and does not know it would tell a reader who has read
// from its successor that what he has read does not exist.
func (p *Partition) ConfirmLeadership(timeoutMs int64, done func(protocol.LeaderEpoch, error)) {
	if !p.notify(ConfirmLeadership{timeoutMs, done}) {
		done(-1, ErrNotLeader)
	}
}

// confirmLeadership begins a round; EffectConfirmed answers.
func (m *Machine) confirmLeadership(e ConfirmLeadership) {
	if m.core == nil || m.core.role != RoleLeader || m.steppedAside {
		m.answerConfirmation(e.Done, -1, ErrNotLeader)
		return
	}
	m.round = m.core.ConfirmLeadership()
	m.confirmations = append(m.confirmations, pendingConfirmation{m.round, m.nowMs + e.TimeoutMs, e.Done})
	m.emit(EffectMoved) // followers' fetches that wait are answered, and ask again
}

func (m *Machine) answerConfirmation(done func(protocol.LeaderEpoch, error), epoch protocol.LeaderEpoch, err error) {
	e := m.emit(EffectConfirmed)
	e.Confirmed, e.Epoch, e.Err = done, epoch, err
}

// completeConfirmations answers whose round is certain.
func (m *Machine) completeConfirmations() {
	m.confirmations = slices.DeleteFunc(m.confirmations, func(q pendingConfirmation) bool {
		if q.round > m.confirmed {
			return false
		}
		m.answerConfirmation(q.done, m.core.Epoch(), nil)
		return true
	})
}

// expireConfirmations answers who has waited for long enough.
func (m *Machine) expireConfirmations() {
	m.confirmations = slices.DeleteFunc(m.confirmations, func(q pendingConfirmation) bool {
		if m.nowMs < q.deadlineMs {
			return false
		}
		m.answerConfirmation(q.done, -1, ErrNotLeader)
		return true
	})
}

// failConfirmations answers all: this broker leads no more.
func (m *Machine) failConfirmations() {
	for _, q := range m.confirmations {
		m.answerConfirmation(q.done, -1, ErrNotLeader)
	}
	m.confirmations = nil
}
