package replica

import (
	"slices"

	"github.com/lockstep-log/lockstep/protocol"
)

// begin starts a broker epoch, see Begin.
func (m *Machine) begin(epoch protocol.BrokerEpoch) {
	m.settle(func(error) { // a failure is the new core's as well
		m.abort(ErrNotLeader)
		if m.core != nil && m.core.role == RoleFollower {
			m.emit(EffectStopFetch)
		}
		m.core = NewCore(CoreOptions{
			Self: protocol.Member{ID: m.o.Self, BrokerEpoch: epoch}, Log: m.log, HighWatermark: m.highWatermark,
			MinInsync: m.settings.MinInsync, LagMaxMs: m.o.LagMaxMs, FetchTimeoutMs: m.o.FetchTimeoutMs, RetryMs: m.o.RetryMs,
		})
		m.confirmed, m.doubted, m.round = 0, false, 0
		if m.partition != nil {
			m.core.ApplyMetadata(*m.partition, m.nowMs)
		}
		if m.failed != nil {
			m.core.Failed(m.failed, m.nowMs)
		}
	})
}

func (m *Machine) takeMetadata(s protocol.PartitionState) {
	if m.partition == nil || s.PartitionEpoch > m.partition.PartitionEpoch {
		m.partition = &s
	}
	m.doubted = false
	if m.core != nil {
		m.core.ApplyMetadata(s, m.nowMs)
	}
}

func (m *Machine) tick() {
	m.expire()
	m.expireConfirming()
	if m.core != nil {
		m.core.Tick(m.nowMs)
	}
}

// doubt has a leader that is most likely cut off step aside, see Partition.Doubt.
func (m *Machine) doubt(patienceMs int64) {
	late := patienceMs == 0 || slices.ContainsFunc(m.waiting, func(q *Proposal) bool { return m.nowMs-q.sinceMs > patienceMs })
	if m.core != nil && m.core.role == RoleLeader && late {
		m.doubted = true
		m.abort(ErrNotLeader)
	}
}

func (m *Machine) followerFetch(e FollowerFetch) {
	a := refused(e.Fetch)
	if m.core != nil {
		if a = m.core.Fetched(e.Fetch, m.nowMs); a.Err == nil {
			m.doubted = false
		}
	}
	r := m.emit(EffectFetchReply)
	r.Answer, r.Done = a, e.Done
}

func refused(f Fetch) FetchAnswer {
	return FetchAnswer{Fetch: f, Err: ErrNotLeader, HighWatermark: protocol.None, LogStart: protocol.None}
}

// changeRole answers all that an earlier role has left open.
func (m *Machine) changeRole() {
	m.confirmed, m.round = 0, 0
	switch role := m.core.Role(); role {
	case RoleLeader:
		m.emit(EffectStopFetch)
		m.o.Logger.Debug("partition is led here", "partition", m.o.ID.Index, "epoch", m.core.Epoch(),
			"from", m.log.End(), "high watermark", m.highWatermark)
	case RoleOffline:
		if m.failed == nil {
			_ = m.fail(m.core.Err())
		}
		m.emit(EffectStopFetch)
		m.abort(m.failed)
	default:
		m.o.Logger.Debug("partition is followed here", "partition", m.o.ID.Index, "epoch", m.core.Epoch(),
			"leader", m.core.Leader(), "end", m.log.End())
		m.abort(ErrNotLeader)
	}
}

// show tells the state, if it is another one.
func (m *Machine) show() {
	if m.core == nil {
		return
	}
	st := m.core.snapshot(m.shown, m.doubted)
	if st == m.shown {
		return
	}
	m.shown = st
	m.emit(EffectState).State = st
}

// stop ends the machine's part in the cluster; its folds may still be saved.
func (m *Machine) stop() {
	if m.core != nil && m.core.role == RoleFollower {
		m.emit(EffectStopFetch)
	}
	m.abort(ErrNotLeader)
	m.waitBase(func() {})
}
