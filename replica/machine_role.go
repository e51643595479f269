package replica

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// begin starts a broker epoch, see Begin.
func (m *Machine) begin(epoch protocol.BrokerEpoch) {
	m.syncLog(func(error) { // a failure is the new core's as well
		m.failPending(ErrNotLeader)
		if m.core != nil && m.core.role == RoleFollower {
			m.emit(EffectStopFetch)
		}
		m.core = NewCore(CoreOptions{
			Self: protocol.Member{ID: m.o.Self, BrokerEpoch: epoch}, Log: m.log, HighWatermark: m.highWatermark,
			MinInsync: m.settings.MinInsync, LagMaxMs: m.o.LagMaxMs, FetchTimeoutMs: m.o.FetchTimeoutMs, RetryMs: m.o.RetryMs,
		})
		m.confirmed, m.steppedAside, m.round = 0, false, 0
		if m.partition != nil {
			m.core.ApplyMetadata(*m.partition, m.nowMs)
		}
		if m.failed != nil {
			m.core.Failed(m.failed, m.nowMs)
		}
	})
}

func (m *Machine) applyMetadata(s protocol.PartitionState) {
	if m.partition == nil || s.PartitionEpoch > m.partition.PartitionEpoch {
		m.partition = &s
	}
	m.steppedAside = false
	if m.core != nil {
		m.core.ApplyMetadata(s, m.nowMs)
	}
}

func (m *Machine) tick() {
	m.expire()
	m.expireConfirmations()
	if m.core != nil {
		m.core.Tick(m.nowMs)
	}
}

// stepAside has a leader that is most likely cut off step aside, see Partition.StepAside.
func (m *Machine) stepAside(afterMs int64) {
	late := afterMs == 0 || slices.ContainsFunc(m.waiting, func(q *Proposal) bool { return m.nowMs-q.sinceMs > afterMs })
	if m.core != nil && m.core.role == RoleLeader && late {
		m.steppedAside = true
		m.failPending(ErrNotLeader)
	}
}

func (m *Machine) followerFetch(e FollowerFetch) {
	a := notLeaderAnswer(e.Fetch)
	if m.core != nil {
		if a = m.core.Fetched(e.Fetch, m.nowMs); a.Err == nil {
			m.steppedAside = false
		}
	}
	r := m.emit(EffectFetchReply)
	r.Answer, r.Done = a, e.Done
}

func notLeaderAnswer(f Fetch) FetchAnswer {
	return FetchAnswer{Fetch: f, Err: ErrNotLeader, HighWatermark: protocol.None, LogStart: protocol.None}
}

// changeRole answers all that an earlier role has left open.
func (m *Machine) changeRole() {
	m.confirmed, m.round = 0, 0
	switch role := m.core.Role(); role {
	case RoleLeader:
		m.emit(EffectStopFetch)
		m.o.Logger.Debug("partition became leader", "partition", m.o.ID.Index, "epoch", m.core.Epoch(),
			"from", m.log.End(), "watermark", m.highWatermark)
	case RoleOffline:
		if m.failed == nil {
			_ = m.fail(m.core.Err())
		}
		m.emit(EffectStopFetch)
		m.failPending(m.failed)
	default:
		m.o.Logger.Debug("partition became follower", "partition", m.o.ID.Index, "epoch", m.core.Epoch(),
			"leader", m.core.Leader(), "end", m.log.End())
		m.failPending(ErrNotLeader)
	}
}

// publishState tells the state, if it is another one.
func (m *Machine) publishState() {
	if m.core == nil {
		return
	}
	st := m.core.snapshot(m.published, m.steppedAside)
	if st == m.published {
		return
	}
	m.published = st
	m.emit(EffectState).State = st
}

// stop ends the machine's part in the cluster; its folds may still be saved.
func (m *Machine) stop() {
	if m.core != nil && m.core.role == RoleFollower {
		m.emit(EffectStopFetch)
	}
	m.failPending(ErrNotLeader)
	m.waitBaseWrite(func() {})
}
