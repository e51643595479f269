package replica

import (
	"slices"
	"time"

	"github.com/lockstep-log/lockstep/protocol"
)

// began is the zero of the cores' clock, which does not jump as the time of day may.
var began = time.Now()

func coreMs() int64 { return time.Since(began).Milliseconds() }

// Begin tells that this life of the broker is registered. Each registration is
// a life of its own, also where the process went on: what the last one promised
// stands, because all of it is synced first.
func (p *Partition) Begin(incarnation int64) { p.post(func() { p.begin(incarnation) }) }

func (p *Partition) begin(incarnation int64) {
	if p.failed == nil {
		_ = p.settle() // a failure is the new core's as well
	}
	p.abort(ErrNotLeader)
	if p.core != nil && p.core.role == RoleFollower {
		p.opts.Host.StopFetch(p)
	}
	p.core = NewCore(CoreOptions{
		Self: Member{p.opts.Self, incarnation}, Log: p.log, HighWatermark: p.HighWatermark(),
		MinInsync: p.settings.MinInsync, LagMaxMs: p.opts.LagMaxMs, FetchTimeoutMs: fetchTimeoutMs,
	})
	p.confirmed, p.doubted = 0, false
	p.round.Store(0)
	if p.standing != nil {
		p.core.Stand(*p.standing, coreMs())
	}
	if p.failed != nil {
		p.core.Failed(p.failed, coreMs())
	}
}

// fetchTimeoutMs is a backstop: the host answers every fetch.
const fetchTimeoutMs = 15_000

// Stand takes in what the metadata shows of the partition.
func (p *Partition) Stand(s Standing) {
	p.note(func() {
		if p.standing == nil || s.PartitionEpoch > p.standing.PartitionEpoch {
			p.standing = &s
		}
		p.doubted = false
		if p.core != nil {
			p.core.Stand(s, coreMs())
		}
	})
}

// Tick lets time pass. It costs next to nothing where nothing waits for it.
func (p *Partition) Tick() {
	if p.restless.Load() {
		p.note(p.tick)
	}
}

func (p *Partition) tick() {
	now := coreMs()
	p.expire(now)
	p.expireConfirming(now)
	if p.core != nil {
		p.core.Tick(now)
	}
}

// Doubt tells a leader that the metadata cannot be reached. One whose writers have
// waited for longer than patienceMs then is, most likely, cut off from its
// followers as well, and another leads: it gives the writers back, who are to ask
// elsewhere, and takes no more until a follower is heard of again. That costs
// nothing where it leads after all: it could commit nothing. Without patience, it
// need have no writers.
func (p *Partition) Doubt(patienceMs int64) {
	if patienceMs > 0 && !p.restless.Load() || p.State().Doubted {
		return
	}
	p.note(func() {
		now := coreMs()
		late := patienceMs == 0 || slices.ContainsFunc(p.waiting, func(q *Proposal) bool { return now-q.sinceMs > patienceMs })
		if p.core != nil && p.core.role == RoleLeader && late {
			p.doubted = true
			p.abort(ErrNotLeader)
		}
	})
}

// Fetched takes in a follower's fetch. done is called from the loop; the bytes
// that belong to the answer are the caller's to read, up to the log's end.
func (p *Partition) Fetched(f Fetch, done func(FetchAnswer)) {
	taken := p.note(func() {
		if p.core == nil {
			done(refused(f))
			return
		}
		a := p.core.Fetched(f, coreMs())
		if a.Err == nil {
			p.doubted = false
		}
		done(a)
	})
	if !taken {
		done(refused(f))
	}
}

func refused(f Fetch) FetchAnswer {
	return FetchAnswer{Fetch: f, Err: ErrNotLeader, HighWatermark: protocol.None, LogStart: protocol.None}
}

// ISRAnswered tells the outcome of Host.AlterISR; done is false also when it is not known.
func (p *Partition) ISRAnswered(ch ISRChange, done bool) {
	p.note(func() {
		if p.core != nil {
			p.core.ISRAnswered(ch, done, coreMs())
		}
	})
}

// Fail tells of damage that a reader found: the replica goes offline, for good.
func (p *Partition) Fail(err error) {
	p.note(func() {
		if p.failed == nil {
			_ = p.fail(err)
		}
	})
}

// work does what the core asks for, answers what has become final, and shows
// the outcome to readers.
func (p *Partition) work() {
	if p.core == nil {
		p.abort(ErrNotLeader)
		return
	}
	for e, ok := p.core.NextEffect(); ok; e, ok = p.core.NextEffect() {
		p.perform(e)
	}
	p.release()
	p.releaseConfirmed()
	p.show()
}

func (p *Partition) perform(e Effect) {
	switch e.Kind {
	case EffectRole:
		p.changeRole()
	case EffectCommit:
		p.highWatermark.Store(int64(e.Offset))
		p.moved()
	case EffectConfirm:
		p.confirmed = e.Round
	case EffectFetch:
		p.opts.Host.Fetch(p, p.core.Leader(), e.Fetch)
	case EffectAppend:
		p.appendFetched()
	case EffectTruncate:
		p.truncate(e.Offset)
	case EffectRestart:
		p.restart(e.Offset)
	case EffectAlterISR:
		p.opts.Host.AlterISR(p, e.ISR)
	case EffectResign:
		p.opts.Host.Resign(p)
	}
}

// changeRole answers all that an earlier role has left open.
func (p *Partition) changeRole() {
	p.confirmed = 0
	p.round.Store(0)
	switch role := p.core.Role(); role {
	case RoleLeader:
		p.opts.Host.StopFetch(p)
		p.opts.Logger.Debug("partition is led here", "partition", p.opts.ID.Index, "epoch", p.core.Epoch(),
			"from", p.log.End(), "high watermark", p.HighWatermark())
		return
	case RoleOffline:
		if p.failed == nil {
			_ = p.fail(p.core.Err())
		}
		p.opts.Host.StopFetch(p)
		p.abort(p.failed)
	default:
		p.opts.Logger.Debug("partition is followed here", "partition", p.opts.ID.Index, "epoch", p.core.Epoch(),
			"leader", p.core.Leader(), "end", p.log.End())
		p.abort(ErrNotLeader)
	}
}

// show publishes the state, and has Tick called if the core waits for time.
func (p *Partition) show() {
	before := p.state.Load()
	st := p.core.snapshot(before, p.doubted)
	p.restless.Store(len(p.waiting) > 0 || len(p.asking) > 0 || p.holds() || p.core.Restless(coreMs()))
	if st == before {
		return
	}
	p.state.Store(st)
	p.moved()
	if st.Role != before.Role || st.Epoch != before.Epoch {
		p.opts.Host.RoleChanged(p, st)
	}
}
