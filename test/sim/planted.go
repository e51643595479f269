package sim

import (
	"hash/fnv"
	"slices"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// planted stands between a broker's machine and its folds, and has the bugs
// that are planted there. Others are planted where the broker tells the machine an
// event or does an effect.
type planted struct {
	b    *broker
	bugs *Bugs

	committed   *conflict.LockTable // sees only what is committed
	truncatedIn protocol.LeaderEpoch
	narrow      map[byte]protocol.Offset                  // locks by a few bits
	asked       map[*conflict.Request]*request            // what is on its way
	missed      map[protocol.ProducerID]protocol.Sequence // repeats that were not seen
}

func plant(b *broker) *planted {
	return &planted{b: b, bugs: &b.w.bugs, narrow: map[byte]protocol.Offset{}, asked: map[*conflict.Request]*request{},
		missed: map[protocol.ProducerID]protocol.Sequence{}}
}

// wrap puts it between the machine and its folds, if a bug is planted.
func (p *planted) wrap(o *replica.MachineOptions) {
	if bugged(*p.bugs) {
		o.Judge = func(t *conflict.LockTable) replica.Judge { return judge{t, p} }
		o.Sequences = func(t *replica.Producers) replica.Sequences { return sequences{t, p} }
	}
}

// leads is told that the broker begins to lead.
func (p *planted) leads() {
	m := p.b.machine
	if p.bugs.ProducersNotRebuilt {
		*m.Producers() = *replica.NewProducers()
	}
	if p.bugs.LockTableToHighWatermark {
		m.LockTable().Reset()
		p.fold(m.LockTable(), m.HighWatermark())
	}
}

// fetch is what a leader takes a follower's fetch for.
func (p *planted) fetch(f replica.Fetch) replica.Fetch {
	if p.bugs.NoEpochCheck {
		f.Epoch = p.b.core().Epoch()
	}
	if p.bugs.RefuseUnproven {
		f.Round = 1 << 60 // it follows now and for ever
	}
	return f
}

func (p *planted) remember(r *conflict.Request, req *request) {
	if r != nil {
		p.asked[r] = req
	}
}

func (p *planted) forget(r *conflict.Request) { delete(p.asked, r) }

// fold folds the log below an offset into a table, from where it is.
func (p *planted) fold(t *conflict.LockTable, below protocol.Offset) {
	for _, b := range p.b.disk.read(t.End()+1, below, len(p.b.disk.batches)) {
		if !conflict.NeedsRecords(b) {
			t.Fold(b, nil)
			continue
		}
		recs, err := b.Open(record.Limits{})
		if err != nil {
			return
		}
		t.Fold(b, &recs)
		recs.Release()
	}
}

// judge is a lock table that may have a bug.
type judge struct {
	*conflict.LockTable
	p *planted
}

// Admit implements replica.Judge.
func (j judge) Admit(r *conflict.Request, base, highWatermark protocol.Offset) bool {
	bugs := j.p.bugs
	switch {
	case bugs.LockTableAtCommit || bugs.NarrowHash:
		return false
	case j.LockTable.Admit(r, base, highWatermark):
		return true
	case !bugs.FastPathAdmits:
		return false
	}
	v := j.LockTable.Repeats(r)
	if !v.Admitted() || v.Drop != nil {
		return false
	}
	j.LockTable.Mark(r, base, v)
	return true
}

// Locks implements replica.Judge.
func (j judge) Locks(r *conflict.Request, highWatermark protocol.Offset, v *conflict.Verdict) {
	if j.p.bugs.LockTableAtCommit {
		j.p.committedTable(highWatermark).Locks(r, highWatermark, v)
	} else {
		j.LockTable.Locks(r, highWatermark, v)
	}
	req := j.p.asked[r]
	if v.Refusal == nil && j.p.bugs.NarrowHash {
		v.Refusal, v.Await = j.p.judgeNarrow(req)
	}
	if v.Refusal != nil && v.Refusal.Record > 0 && j.p.bugs.PartialBatch {
		v.Drop = make([]bool, len(req.ops))
		for i := range v.Drop {
			v.Drop[i] = int32(i) >= v.Refusal.Record
		}
		v.Refusal = nil
	}
}

// Mark implements replica.Judge.
func (j judge) Mark(r *conflict.Request, base protocol.Offset, v conflict.Verdict) {
	j.LockTable.Mark(r, base, v)
	if j.p.bugs.NarrowHash {
		j.p.markNarrow(j.p.asked[r], base)
	}
}

// JudgeAgain implements replica.Judge.
func (j judge) JudgeAgain(r *conflict.Request, written func(int32) bool, base protocol.Offset) conflict.Verdict {
	v := j.LockTable.JudgeAgain(r, written, base)
	if j.p.bugs.RetryWithoutVerdicts {
		v.Skipped = nil
	}
	return v
}

func (p *planted) committedTable(highWatermark protocol.Offset) *conflict.LockTable {
	if p.committed == nil {
		table, err := conflict.Open(conflict.Options{})
		if err != nil {
			panic(err)
		}
		p.committed = table
	}
	p.fold(p.committed, highWatermark)
	return p.committed
}

func narrow(lock string) byte {
	h := fnv.New32a()
	h.Write([]byte(lock))
	return byte(h.Sum32() % 5)
}

func (p *planted) judgeNarrow(req *request) (*protocol.Refusal, protocol.Offset) {
	for i, op := range req.ops {
		for _, lock := range slices.Concat(op.writes, op.reads) {
			if last, ok := p.narrow[narrow(lock)]; ok && last > op.basis && last < p.b.disk.End() {
				return &protocol.Refusal{Kind: protocol.RefusalConflict, Record: int32(i), Lock: lock, Last: last, Basis: op.basis}, last
			}
		}
	}
	return nil, protocol.None
}

func (p *planted) markNarrow(req *request, base protocol.Offset) {
	for i, op := range req.ops {
		for _, lock := range op.writes {
			p.narrow[narrow(lock)] = base + protocol.Offset(i)
		}
	}
}

// sequences is a table of producers that may have a bug.
type sequences struct {
	*replica.Producers
	p *planted
}

// Repeat implements replica.Sequences.
func (s sequences) Repeat(b record.Batch) (base protocol.Offset, timestamp int64, ok bool) {
	base, timestamp, ok = s.Producers.Repeat(b)
	if ok && s.p.bugs.ConflictBeforeDedupe && b.MentionsLocks() {
		s.p.missed[b.ProducerID()] = b.BaseSequence()
		return 0, 0, false
	}
	return base, timestamp, ok
}

// Follows implements replica.Sequences.
func (s sequences) Follows(b record.Batch) error {
	if first, ok := s.p.missed[b.ProducerID()]; ok && first == b.BaseSequence() {
		return nil
	}
	return s.Producers.Follows(b)
}

// Refused implements replica.Sequences.
func (s sequences) Refused(b record.Batch) {
	s.Producers.Refused(b)
	if s.p.bugs.RefusalAdvances && b.ProducerID() != protocol.NoProducer {
		s.Producers.Fold(b, 0)
	}
}

// runsDuringSync reports whether a task is taken while a sync is under way.
func (p *planted) runsDuringSync(e replica.Event) bool {
	_, saves := e.(replica.Housekeep)
	return saves && p.bugs.CheckpointUnsynced
}

// answer is what a follower takes its leader's answer for. One that compares no
// epochs cuts its log to what it knows to be committed, once in each.
func (p *planted) answer(a replica.FetchAnswer) replica.FetchAnswer {
	hw, epoch := p.b.machine.HighWatermark(), p.b.core().Epoch()
	if !p.bugs.TruncateToHighWatermark || a.Err != nil || p.truncatedIn == epoch {
		return a
	}
	p.truncatedIn = epoch
	if hw < p.b.disk.End() {
		a.Diverging, a.DivergingEpoch, a.DivergingEnd = true, p.b.disk.LatestEpoch(), hw
	}
	return a
}
