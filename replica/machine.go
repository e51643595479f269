package replica

import (
	"fmt"
	"log/slog"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/internal/invariant"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Log is what a Machine reads of its partition's log; segment.Log is one. It
// reads only what it has had written itself, and writes by effects alone.
type Log interface {
	History
	Scan(from, below protocol.Offset, f func(record.Batch) error) error
	ReadCheckpoint(name string, atMost protocol.Offset) (at protocol.Offset, data []byte, ok bool)
	// Expires reports whether retention would drop anything below an offset now.
	Expires(nowMs int64, below protocol.Offset) (bool, error)
}

// Judge is what a leader asks of its lock table when it decides on a batch;
// conflict.LockTable is one.
type Judge interface {
	Prefetch(r *conflict.Request)
	Admit(r *conflict.Request, base, stable protocol.Offset) bool
	Repeats(r *conflict.Request) conflict.Verdict
	Locks(r *conflict.Request, stable protocol.Offset, v *conflict.Verdict)
	JudgeEach(r *conflict.Request, stable protocol.Offset) conflict.Verdict
	JudgeAgain(r *conflict.Request, written func(index int32) bool, base protocol.Offset) conflict.Verdict
	Mark(r *conflict.Request, base protocol.Offset, v conflict.Verdict)
}

// Sequences is what a leader asks of the producers' sequences; Producers is one.
type Sequences interface {
	Repeat(b record.Batch) (base protocol.Offset, timestamp int64, ok bool)
	Follows(b record.Batch) error
	Knows(id protocol.ProducerID) bool
	Refused(b record.Batch)
}

// TransactionRules is what a leader asks of the partition's transactions;
// Transactions is them.
type TransactionRules interface {
	FirstUndecided() protocol.Offset
	Accepts(b record.Batch, joins *protocol.Offset) error
	Marked(id protocol.ProducerID, number int64) (at protocol.Offset, ok bool)
	MayMark(id protocol.ProducerID, coordinatorEpoch int32) error
}

// MachineOptions are what a Machine is made with.
type MachineOptions struct {
	ID     protocol.TopicPartition
	Self   protocol.BrokerID
	Log    Log            // recovered and synced
	Base   *conflict.Base // nil: the lock table stays in memory
	Budget *conflict.Budget

	Settings Settings
	Limits   record.Limits
	// LagMaxMs, FetchTimeoutMs and RetryMs as in CoreOptions.
	LagMaxMs, FetchTimeoutMs, RetryMs int64
	// CheckpointEvery is how many offsets may pass before the folds that keep
	// their checkpoints beside the log are saved: it bounds what a start after a
	// crash has to fold. Default 1,000,000.
	CheckpointEvery int64

	NowMs    func() int64 // the time of day
	SteadyMs func() int64 // a clock that does not jump
	Logger   *slog.Logger

	// Judge, Sequences and Transactions stand between the machine and its folds, for
	// a test that plants a mistake there; nil: nothing does.
	Judge        func(*conflict.LockTable) Judge
	Sequences    func(*Producers) Sequences
	Transactions func(*Transactions) TransactionRules
	moreFolds    []Fold // that a test adds to those that there are
}

// Machine is all the rules of one replica of one partition: who may append, in
// what order a batch is judged, what a follower takes over, when a fold is
// saved, what retention and compaction may drop, and when an answer is final.
//
// It is a plain value with one owner: no goroutine, lock or clock, and it writes
// nothing. Step takes in one Event; NextEffect then tells, one by one, what the
// owner is to do. Some effects the machine waits for: until the owner has told
// their outcome by Done it takes no other event.
//
//	        Event ──► Step ──► Core (roles, ISR, high watermark)
//	                   │  └──► folds (locks, producers, transactions)
//	                   ▼
//	Append, Sync, Truncate, SetStart, Checkpoint … ──► owner ──► Done ──► Step …
//	Reply, Fetch, AlterISR, State, Moved …         ──► owner
//
// Reads are no effects: what it asks of its Log, and its lock table of the base,
// is answered at once. To make a step of every read would cut the judging of one
// batch into pieces between which nothing may happen anyway.
//
// Invariants:
//
//	log start <= high watermark <= synced end <= log end
//	the folds have seen exactly the batches below the log end, those of a pending Append included
//	a reply is emitted once what it cites is below the high watermark
//	a checkpoint is emitted once all that it speaks of is on disk
type Machine struct {
	o        MachineOptions
	log      Log
	settings Settings

	core      *Core // nil before Begin
	partition *protocol.PartitionState
	folds     folds
	failed    error

	highWatermark protocol.Offset
	nowMs         int64                 // of the steady clock, at the present step
	group         []*Proposal           // that is being appended
	batches       []record.Batch        // what the group appends
	fetched       []record.Batch        // what came from the leader
	waiting       []*Proposal           // answers above the high watermark
	final         []*Proposal           // answers that the next Reply sends
	spare         []*Proposal           // final's other slice
	verdict       conflict.Verdict      // scratch: a verdict that is passed to the judge
	round         int64                 // the newest round of Core.ConfirmLeadership
	confirmed     int64                 // the newest round that is certain
	confirmations []pendingConfirmation // wait for their round to be certain
	steppedAside  bool                  // see StepAside
	syncing       bool                  // a sync runs beside: the log is not to be touched
	unsynced      int64                 // offsets appended since the last sync began; 0: all is on disk
	syncedMs      int64                 // when housekeeping last synced
	leaderStart   protocol.Offset       // the leader's log start, when it is above ours
	flushing      bool                  // a base write is under way
	refused       uint64                // lock requests refused by this machine

	next      func(error) // goes on when the effect that is waited for is done; nil: there is none
	effects   effects
	published *State // by the last State

	callbacks struct { // methods as values, bound once: an append allocates nothing
		appended, synced, fetchedAppended, fetchedSynced func(error)
	}
}

// NewMachine recovers a replica: it makes the folds equal to the log.
func NewMachine(o MachineOptions) (*Machine, error) {
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = checkpointEvery
	}
	m := &Machine{o: o, log: o.Log, settings: o.Settings, published: unregistered}
	m.callbacks.appended, m.callbacks.synced = m.appended, m.synced
	m.callbacks.fetchedAppended, m.callbacks.fetchedSynced = m.fetchedAppended, m.fetchedSynced
	m.folds = newFolds(&m.o)
	if err := m.recover(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// recover folds what the checkpoints do not cover. A checkpoint that is missing,
// damaged or ahead of the log is not used.
func (m *Machine) recover() error {
	if err := m.folds.open(m.log); err != nil {
		return err
	}
	end := m.log.End()
	committed, _, _ := m.log.ReadCheckpoint(committedName, end)
	m.highWatermark = min(max(committed, m.folds.locks.Applied(), m.log.Start()), end)
	if err := m.replay(); err != nil {
		return err
	}
	m.folds.transactions.table.Committed(m.highWatermark)
	return nil
}

// Step takes in one event. The caller then does the effects, until there is none.
func (m *Machine) Step(e Event) {
	m.nowMs = m.o.SteadyMs()
	if d, ok := e.(*Done); ok {
		invariant.Check(m.next != nil, "the outcome of an effect that nobody waits for")
		next := m.next
		m.next = nil
		next(d.Err)
		m.advance()
		return
	}
	invariant.Check(m.next == nil, "an event comes while the outcome of an effect is waited for")
	m.dispatch(e)
	m.advance()
}

func (m *Machine) dispatch(e Event) {
	switch e := e.(type) {
	case *Propose:
		m.propose(e.Proposals)
	case FollowerFetch:
		m.followerFetch(e)
	case LeaderAnswer:
		m.leaderAnswer(e)
	case Synced:
		m.syncedBeside(e)
	case Begin:
		m.begin(e.BrokerEpoch)
	case ConfirmLeadership:
		m.confirmLeadership(e)
	case Metadata:
		m.applyMetadata(e.State)
	case ISRAnswered:
		if m.core != nil {
			m.core.ISRAnswered(e.Change, e.Done, m.nowMs)
		}
	case Tick:
		m.tick()
	case StepAside:
		m.stepAside(e.AfterMs)
	case Damaged:
		if m.failed == nil {
			_ = m.fail(e.Err)
		}
	case BaseWritten:
		m.baseWritten(e.Err)
	default:
		m.dispatchTask(e)
	}
}

// dispatchTask takes in what may touch the log, or asks for an answer.
func (m *Machine) dispatchTask(e Event) {
	switch e := e.(type) {
	case Housekeep:
		m.housekeep(e.Call)
	case Retain:
		m.retain(e.Call)
	case DeleteBefore:
		m.deleteRecords(e.Offset, e.Call)
	case PlanCompaction:
		m.planCompaction(e)
	case AdoptCompaction:
		m.adoptCompaction(e.Call)
	case Configure:
		m.configure(e.Settings)
	case Checkpoint:
		m.runSequence(func(err error) { m.finish(e.Call, err) }, m.checkpoint)
	case Stop:
		m.stop()
	default:
		invariant.Check(false, "an event that is none")
	}
}

// advance does what the core asks for, answers what has become final, and shows
// the outcome. Readers see a state before writers are answered out of it.
func (m *Machine) advance() {
	if m.core == nil {
		m.failPending(ErrNotLeader)
	}
	for m.core != nil && m.next == nil {
		e, ok := m.core.NextEffect()
		if !ok {
			break
		}
		m.perform(e)
	}
	if m.next != nil {
		return
	}
	m.completeCommitted()
	m.completeConfirmations()
	m.publishState()
	m.reply()
}

func (m *Machine) perform(e CoreEffect) {
	switch e.Kind {
	case CoreRole:
		m.changeRole()
	case CoreCommit:
		m.highWatermark = e.Offset
		m.folds.transactions.table.Committed(e.Offset)
		m.emit(EffectMoved) // the last stable offset moves with the high watermark, or not at all
	case CoreConfirm:
		m.confirmed = e.Round
	case CoreFetch:
		m.emit(EffectFetch).Fetch = e.Fetch
	case CoreAppend:
		m.appendFetched()
	case CoreTruncate:
		m.truncate(e.Offset)
	case CoreRestart:
		m.restart(e.Offset)
	case CoreAlterISR:
		m.emit(EffectAlterISR).ISR = e.ISR
	case CoreResign:
		m.emit(EffectResign)
	}
}

// await has the machine go on with next when an effect is done.
func (m *Machine) await(kind EffectKind, next func(error)) *Effect {
	invariant.Check(m.next == nil, "two effects are waited for")
	m.next = next
	return m.emit(kind)
}

// action is a part of a longer task; it calls next once, now or later.
type action func(next func(error))

// runSequence does actions one after the other; the first error ends it.
func (m *Machine) runSequence(last func(error), actions ...action) {
	if len(actions) == 0 {
		last(nil)
		return
	}
	actions[0](func(err error) {
		if err != nil {
			last(err)
			return
		}
		m.runSequence(last, actions[1:]...)
	})
}

// finish answers a call.
func (m *Machine) finish(c *Call, err error) {
	if c == nil {
		return
	}
	c.Err = err
	m.emit(EffectReturn).Call = c
}

// fail is final. What was in flight is unknown, so the folds are worthless too:
// every later proposal gets the same error, until the broker starts again and
// reads what the disk kept. Others may lead meanwhile.
func (m *Machine) fail(err error) error {
	if m.failed != nil {
		return m.failed
	}
	m.failed = fmt.Errorf("%w: %w", ErrStorage, err)
	m.o.Logger.Error("partition's log failed; it accepts no more writes", "partition", m.o.ID.Index, "error", err)
	if m.core != nil {
		m.core.Failed(m.failed, m.nowMs)
	}
	return m.failed
}

// Failed is why the replica has failed for good, or nil.
func (m *Machine) Failed() error { return m.failed }

// HighWatermark is the offset below which all is committed.
func (m *Machine) HighWatermark() protocol.Offset { return m.highWatermark }

// LastStable is the offset below which all is committed and no transaction is
// undecided: what a reader of committed transactions may read. It is never above
// the high watermark.
func (m *Machine) LastStable() protocol.Offset {
	return min(m.highWatermark, m.folds.transactions.rules.FirstUndecided())
}

// Round is what a leader's answer to a follower carries, see Core.ConfirmLeadership.
func (m *Machine) Round() int64 { return m.round }

// Core is the replica's rules of replication, to be asked only; nil before Begin.
func (m *Machine) Core() *Core { return m.core }

// LockTable is the replica's lock table, to be asked only.
func (m *Machine) LockTable() *conflict.LockTable { return m.folds.locks.table }

// Producers is the replica's table of producers, to be asked only.
func (m *Machine) Producers() *Producers { return m.folds.producers.table }

// Transactions is the replica's table of transactions, to be asked only.
func (m *Machine) Transactions() *Transactions { return m.folds.transactions.table }

// AcceptsTasks reports whether events that touch the log may come: no sync runs beside.
func (m *Machine) AcceptsTasks() bool { return !m.syncing }

// AcceptsProposals reports whether Propose may come. Proposals also wait while
// this broker leads and what earlier leaders committed will be known soon.
func (m *Machine) AcceptsProposals() bool { return !m.syncing && !m.defersProposals() }

func (m *Machine) defersProposals() bool {
	return m.core != nil && m.core.role == RoleLeader && !m.core.Settled() && m.core.MayAppend(AcksAll) == nil
}

// NeedsTick reports whether something waits for a Tick.
func (m *Machine) NeedsTick() bool {
	return len(m.waiting) > 0 || len(m.confirmations) > 0 || m.defersProposals() ||
		m.core != nil && m.core.NeedsTick(m.nowMs)
}

// Close gives the folds' memory back.
func (m *Machine) Close() { m.folds.close() }
