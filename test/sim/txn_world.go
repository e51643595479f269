package sim

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// TxnBugs are planted where transactions hold locks in several partitions. The zero
// value is the broker as it is meant.
type TxnBugs struct {
	HoldLostAtFailover  bool // a new leader does not know what was held before it
	HoldEndsEarly       bool // a hold ends when the end is decided, and not with the marker
	AbortedCounted      bool // last(L) counts aborted records
	StablePassesOpen    bool // the last stable offset passes open transactions
	MarkerTwice         bool // a marker that comes late, under another epoch, is written again
	FencedBatchAdmitted bool // a late batch of a producer comes in behind the end
	BlindPassesShared   bool // a blind append passes a shared hold
	OwnHoldsCounted     bool // after a restart a transaction's own holds count against it
	GuardLeftOut        bool // a transaction that is tried again leaves out what it only read
}

// TxnPlanted are the bugs of transactions, each to be found. Near is a seed that is
// known to find it when most do not; it only saves time.
var TxnPlanted = []struct {
	Name string
	Bugs TxnBugs
	Near uint64
}{
	{"a hold lost at failover", TxnBugs{HoldLostAtFailover: true}, 1},
	{"a hold ended before the marker", TxnBugs{HoldEndsEarly: true}, 1},
	{"aborted records counted in last", TxnBugs{AbortedCounted: true}, 1},
	{"the last stable offset passes an open transaction", TxnBugs{StablePassesOpen: true}, 1},
	{"a marker written twice under another epoch", TxnBugs{MarkerTwice: true}, 1},
	{"a fenced producer's late batch admitted", TxnBugs{FencedBatchAdmitted: true}, 1},
	{"a blind append passes a shared hold", TxnBugs{BlindPassesShared: true}, 353},
	{"own holds counted after a restart", TxnBugs{OwnHoldsCounted: true}, 1},
	{"a read guard left out on retry", TxnBugs{GuardLeftOut: true}, 1},
}

// txnWorld is several partitions, each one machine that ships on a disk that loses
// what was not synced, and clients whose transactions span them. Its coordinator is
// as good as one can be, so that what breaks is the partitions' fault. One
// goroutine; what happens next is drawn.
type txnWorld struct {
	rng     *rand.Rand
	bugs    TxnBugs
	parts   []*txnPart
	clients []*txnClient
	late    []func() // what the network has kept a copy of
	intents map[string]*intent
	steps   int
	failure error
}

// txnPart is one partition and who leads it.
type txnPart struct {
	w       *txnWorld
	index   int
	disk    *disk
	m       *replica.Machine
	epoch   protocol.LeaderEpoch
	started protocol.Offset // the log end at which this leader began
	crashed bool            // while an event was handled
	asked   map[*conflict.Request]*txnSend
}

const (
	txnSteps = 400
	txnLocks = 4
)

// RunTxn is one seed, from start to rest; nil is what it is meant to end with.
func RunTxn(seed uint64, bugs TxnBugs) error {
	w := &txnWorld{rng: rand.New(rand.NewPCG(seed, 0x7a11)), bugs: bugs, intents: map[string]*intent{}}
	for i := range 2 + w.rng.IntN(2) {
		p := &txnPart{w: w, index: i, disk: &disk{}}
		p.start()
		w.parts = append(w.parts, p)
	}
	for i := range 3 + w.rng.IntN(3) {
		w.clients = append(w.clients, &txnClient{
			w: w, id: protocol.ProducerID(i + 1), rises: i%3 > 0, next: make([]protocol.Sequence, len(w.parts)),
			named: make([]bool, len(w.parts)), partial: make(map[int]bool),
		})
	}
	for w.steps = range txnSteps {
		if w.step(); w.failure != nil {
			return fmt.Errorf("seed %d, step %d: %w", seed, w.steps, w.failure)
		}
	}
	w.rest()
	if w.check(); w.failure != nil {
		return fmt.Errorf("seed %d, at rest: %w", seed, w.failure)
	}
	return nil
}

func (w *txnWorld) fail(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
	}
}

func (w *txnWorld) step() {
	switch n := w.rng.IntN(40); {
	case n == 0:
		w.parts[w.rng.IntN(len(w.parts))].start()
	case n == 1:
		p := w.parts[w.rng.IntN(len(w.parts))]
		p.step(replica.Checkpoint{Call: &replica.Call{}})
	case n < 6 && len(w.late) > 0:
		i := w.rng.IntN(len(w.late))
		do := w.late[i]
		w.late = slices.Delete(w.late, i, i+1)
		do()
	case n < 9:
		w.plain()
	default:
		w.clients[w.rng.IntN(len(w.clients))].step()
	}
	for _, p := range w.parts {
		p.checkStable()
	}
}

// rest ends what is open, and lets all arrive that is on its way.
func (w *txnWorld) rest() {
	for _, c := range w.clients {
		for range 1000 {
			if c.finish() {
				break
			}
		}
	}
	for _, do := range w.late {
		do()
	}
	for _, c := range w.clients {
		for range 1000 {
			if c.finish() {
				break
			}
		}
	}
}

// start begins a leader on what the disk has: at first, and after a crash.
func (p *txnPart) start() {
	p.disk.crash(p.w.rng.IntN(len(p.disk.batches) - p.disk.synced + 1))
	p.disk.dropAbove()
	if p.w.rng.IntN(2) == 0 { // another replica, which has checkpoints of its own
		p.disk.checkpoints = nil
	}
	p.epoch++
	p.started, p.asked, p.crashed = p.disk.End(), map[*conflict.Request]*txnSend{}, false
	o := replica.MachineOptions{
		Self: 1, Log: p.disk, Settings: replica.Settings{FlushMessages: 1, FlushMs: 1 << 60, ProducerMs: 1 << 50},
		NowMs: func() int64 { return 1_700_000_000_000 }, SteadyMs: func() int64 { return int64(p.w.steps) },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if (p.w.bugs != TxnBugs{}) {
		o.Judge = func(t *conflict.LockTable) replica.Judge { return txnJudge{t, p} }
		o.Sequences = func(t *replica.Producers) replica.Sequences { return txnSequences{t, p} }
		o.Transactions = func(t *replica.Transactions) replica.TransactionRules { return txnRules{t, p} }
	}
	m, err := replica.NewMachine(o)
	if err != nil {
		p.w.fail("partition %d does not start: %w", p.index, err)
		return
	}
	p.m = m
	p.step(replica.Begin{BrokerEpoch: protocol.BrokerEpoch(p.epoch)})
	p.step(replica.Metadata{State: protocol.PartitionState{
		Leader: 1, LeaderEpoch: p.epoch, PartitionEpoch: int32(p.epoch), Replicas: []protocol.BrokerID{1},
		ISR: protocol.Members{{ID: 1, BrokerEpoch: protocol.BrokerEpoch(p.epoch)}},
	}})
}

// step tells the machine an event and does what it asks for. The power may go between
// a write and its sync: then nobody is answered.
func (p *txnPart) step(e replica.Event) {
	m := p.m
	m.Step(e)
	for f, ok := m.NextEffect(); ok; f, ok = m.NextEffect() {
		switch f.Kind {
		case replica.EffectAppend:
			for _, b := range f.Batches {
				p.disk.append(b)
			}
		case replica.EffectSync:
			if p.w.rng.IntN(60) == 0 && p.w.steps < txnSteps-1 {
				p.crashed = true
				p.start()
				return
			}
			p.disk.synced = len(p.disk.batches)
		case replica.EffectCheckpoint:
			p.disk.addCheckpoint(f.Name, f.Offset, f.Data)
		case replica.EffectReply:
			for _, q := range slices.Clone(f.Proposals) {
				q.Done.Completed(q)
			}
		}
		if f.Awaited() {
			m.Step(&replica.Done{})
		}
	}
}

// propose proposes a batch and returns its answer; nil: the leader crashed, and
// nobody knows.
func (p *txnPart) propose(q *replica.Proposal, send *txnSend) (r *replica.Result) {
	q.Acks, q.Done = replica.AcksAll, completed(func(q *replica.Proposal) { r = &q.Result })
	if q.Marker == nil {
		recs, err := q.Batch.Open(record.Limits{})
		if err != nil {
			p.w.fail("a client's batch does not open: %w", err)
			return nil
		}
		locks, refusal := conflict.Prepare(q.Batch, &recs, conflict.Optional)
		recs.Release()
		if refusal != nil {
			p.w.fail("a good request is malformed: %s", refusal.Message())
			return nil
		}
		if q.Locks = locks; locks != nil {
			p.asked[locks] = send
		}
	}
	p.step(&replica.Propose{Proposals: []*replica.Proposal{q}})
	delete(p.asked, q.Locks)
	if r != nil && r.Refusal != nil {
		p.checkRefusal(q, r.Refusal)
	}
	return r
}

type completed func(*replica.Proposal)

func (f completed) Completed(q *replica.Proposal) { f(q) }

// txnJudge, txnSequences and txnRules stand between a machine and its folds, with the
// bugs that are planted there.
type txnJudge struct {
	*conflict.LockTable
	p *txnPart
}

// Admit implements replica.Judge: all go the long way, where the bugs are.
func (j txnJudge) Admit(*conflict.Request, protocol.Offset, protocol.Offset) bool { return false }

// Locks implements replica.Judge.
func (j txnJudge) Locks(r *conflict.Request, stable protocol.Offset, v *conflict.Verdict) {
	j.LockTable.Locks(r, stable, v)
	p, send := j.p, j.p.asked[r]
	if held := v.Refusal; held != nil && held.Kind == protocol.RefusalHeld {
		holder := p.batchAt(held.Last)
		switch bugs := &p.w.bugs; {
		case bugs.HoldLostAtFailover && held.Last < p.started,
			bugs.HoldEndsEarly && p.w.ending(holder.ProducerID()),
			bugs.BlindPassesShared && slices.Contains(send.blind, held.Lock) && !p.marksLock(holder, held.Lock):
			v.Refusal, v.Await = nil, protocol.None
		}
	}
	if v.Refusal != nil {
		return
	}
	if last := p.abortedMark(send); p.w.bugs.AbortedCounted && last > send.basis {
		v.Refusal = &protocol.Refusal{Kind: protocol.RefusalConflict, Lock: send.writes[0], Last: last, Basis: send.basis}
		v.Await = last
	}
	s := p.m.Transactions().State(send.producer)
	if p.w.bugs.OwnHoldsCounted && send.producer >= 0 && s.Open && s.First < p.started {
		v.Refusal = &protocol.Refusal{Kind: protocol.RefusalHeld, Lock: "any", Last: s.First}
		v.Await = s.First
	}
}

type txnSequences struct {
	*replica.Producers
	p *txnPart
}

// Follows implements replica.Sequences.
func (s txnSequences) Follows(b record.Batch) error {
	if s.p.w.bugs.FencedBatchAdmitted && b.BaseSequence() >= 0 {
		return nil
	}
	return s.Producers.Follows(b)
}

type txnRules struct {
	*replica.Transactions
	p *txnPart
}

// FirstUndecided implements replica.TransactionRules.
func (r txnRules) FirstUndecided() protocol.Offset {
	if r.p.w.bugs.StablePassesOpen {
		return 1 << 62
	}
	return r.Transactions.FirstUndecided()
}

// Accepts implements replica.TransactionRules.
func (r txnRules) Accepts(b record.Batch, joins *protocol.Offset) error {
	if r.p.w.bugs.FencedBatchAdmitted {
		return nil
	}
	return r.Transactions.Accepts(b, joins)
}

// Marked implements replica.TransactionRules.
func (r txnRules) Marked(id protocol.ProducerID, number int64) (protocol.Offset, bool) {
	if r.p.w.bugs.MarkerTwice {
		return protocol.None, false
	}
	return r.Transactions.Marked(id, number)
}
