package replica

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// EffectKind says what an Effect asks for.
type EffectKind uint8

// The kinds of Effect. The machine waits for the first ones: the owner tells
// their outcome by a Done before it tells anything else.
const (
	// EffectAppend: append Batches to the log.
	EffectAppend EffectKind = iota + 1
	// EffectSync: make all that was appended durable.
	EffectSync
	// EffectTruncate: cut the log's end back to Offset, durably.
	EffectTruncate
	// EffectSetStart: raise the log's start to Offset, durably; beyond its end
	// the log is emptied and begins anew there.
	EffectSetStart
	// EffectCheckpoint: keep Data durably as the checkpoint Name at Offset.
	EffectCheckpoint
	// EffectSyncBase: make the lock base durable.
	EffectSyncBase
	// EffectWaitBase: wait for the work of the last EffectWriteBase; the outcome
	// is the work's, and no BaseWritten is told.
	EffectWaitBase
	// EffectRetain: drop what the topic's retention does not keep, below Offset.
	EffectRetain
	// EffectAdopt: take what Call.Pass has made into the log.
	EffectAdopt

	// EffectSyncBeside: make all durable that was appended, while notes are told;
	// the outcome is told by Synced.
	EffectSyncBeside
	// EffectWriteBase: do Work beside; its outcome is told by BaseWritten.
	EffectWriteBase
	// EffectConfigureLog: the log's part of the settings has changed.
	EffectConfigureLog
	// EffectReply: the results of Proposals are final.
	EffectReply
	// EffectFailQueued: answer with Err all that waits to be proposed.
	EffectFailQueued
	// EffectFetchReply: answer a FollowerFetch by Done(Answer).
	EffectFetchReply
	// EffectConfirmed: answer a ConfirmLeadership by Confirmed(Epoch, Err).
	EffectConfirmed
	// EffectFetch: send Fetch to the leader, and tell its answer by LeaderAnswer.
	EffectFetch
	// EffectStopFetch: this replica follows nobody any more.
	EffectStopFetch
	// EffectAlterISR: ask the metadata for ISR, and tell the outcome by ISRAnswered.
	EffectAlterISR
	// EffectResign: ask the metadata to take this replica out of the ISR and to
	// elect another leader, because it can serve no more.
	EffectResign
	// EffectMoved: the high watermark, the log's start or end, or the round has
	// moved; wake who waits for it.
	EffectMoved
	// EffectState: the replica is in another State.
	EffectState
	// EffectReturn: Call is answered.
	EffectReturn
)

// Effect is one thing that a machine's owner is to do. Effects are done in order.
type Effect struct {
	Kind      EffectKind
	Offset    protocol.Offset
	Batches   []record.Batch
	Proposals []*Proposal
	Err       error
	*Detail   // of the kinds that have one; nil for others, as for all that an append asks for
}

// Detail is what only some kinds of Effect say.
type Detail struct {
	State     *State
	Call      *Call
	Work      func() error
	Name      string
	Data      []byte
	Fetch     Fetch
	ISR       protocol.ISRChange
	Answer    FetchAnswer
	Done      func(FetchAnswer)
	Epoch     protocol.LeaderEpoch
	Confirmed func(protocol.LeaderEpoch, error)
}

func (k EffectKind) detailed() bool {
	switch k {
	case EffectCheckpoint, EffectAdopt, EffectWriteBase, EffectFetchReply, EffectConfirmed, EffectFetch, EffectAlterISR,
		EffectState, EffectReturn:
		return true
	}
	return false
}

// Awaited reports whether the machine waits for the effect's outcome.
func (e *Effect) Awaited() bool { return e.Kind <= EffectAdopt }

// effects is a queue that is emptied again and again, and uses its memory again.
type effects struct {
	all     []Effect
	next    int
	details []*Detail
	used    int // of details
}

// NextEffect takes the oldest effect that is to be done. It is good until the
// next Step.
func (m *Machine) NextEffect() (*Effect, bool) {
	q := &m.effects
	if q.next < len(q.all) {
		q.next++
		return &q.all[q.next-1], true
	}
	clear(q.all)
	for _, d := range q.details[:q.used] {
		*d = Detail{}
	}
	q.all, q.next, q.used = q.all[:0], 0, 0
	return nil, false
}

// emit adds an effect, to be filled in at once.
func (m *Machine) emit(kind EffectKind) *Effect {
	q := &m.effects
	q.all = append(q.all, Effect{Kind: kind})
	e := &q.all[len(q.all)-1]
	if kind.detailed() {
		if q.used == len(q.details) {
			q.details = append(q.details, new(Detail))
		}
		e.Detail = q.details[q.used]
		q.used++
	}
	return e
}
