package replica

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// planCompaction says how far a pass may go and what it must leave. What is not
// below the last stable offset may be cut off again, or be aborted, so it supersedes
// nothing.
func (m *Machine) planCompaction(e PlanCompaction) {
	if m.failed == nil {
		alive := make(map[protocol.ProducerID]struct{}, len(m.folds.producers.table.byID))
		for id := range m.folds.producers.table.byID {
			alive[id] = struct{}{}
		}
		var aborted []segment.Aborted
		for _, a := range m.folds.transactions.table.aborted {
			aborted = append(aborted, segment.Aborted(a))
		}
		e.Call.Plan = &segment.CompactOptions{
			Below: m.LastStable(), Aborted: aborted, NowMs: m.o.NowMs(), MinLagMs: e.Options.MinCompactionLagMs,
			DeleteRetentionMs: e.Options.DeleteRetentionMs, LockIDRetentionMs: m.settings.LockIDRetention,
			MapBytes: e.Options.MapBytes, Producers: alive, Limits: m.o.Limits,
		}
	}
	m.finish(e.Call, nil)
}

// adoptCompaction has a rewritten segment taken into the log. A pass whose
// segments are gone meanwhile only ends.
func (m *Machine) adoptCompaction(c *Call) {
	if m.failed != nil {
		m.finish(c, m.failed)
		return
	}
	m.await(EffectAdopt, func(err error) {
		if err != nil && !endedEarly(err) {
			err = m.fail(err)
		}
		m.finish(c, err)
	}).Call = c
}
