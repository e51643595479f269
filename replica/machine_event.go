package replica

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/segment"
)

// Event is what a Machine is told. There are three kinds of them, by when they
// may come:
//
//   - notes tell what has happened elsewhere, and may come while a sync runs beside;
//   - tasks may touch the log, and come while Machine.AcceptsTasks;
//   - Propose comes while Machine.TakesProposals.
//
// Propose and Done are told by pointer, and may be used again: an append then
// allocates nothing. Whatever is passed on in an effect (Done functions, Calls) the machine never looks into.
type Event interface{ event() }

type (
	// Done is the outcome of the effect that the machine waits for.
	Done struct{ Err error }

	// Propose is a group of batches to be appended by the leader, with one write and one sync.
	Propose struct{ Proposals []*Proposal }

	// FollowerFetch is a note: a follower's fetch. EffectFetchReply answers it.
	FollowerFetch struct {
		Fetch Fetch
		Done  func(FetchAnswer)
	}
	// LeaderAnswer is a note: the leader's answer, and the batches that came with
	// it. They stay as they are until the machine waits for nothing any more.
	LeaderAnswer struct {
		Answer  FetchAnswer
		Batches []byte
	}
	// Synced is a note: a sync that ran beside has ended; all below End, where
	// the log ended when it began, is on disk.
	Synced struct {
		End protocol.Offset
		Err error
	}
	// ConfirmLeadership is a note: prove that this broker leads, see
	// Partition.ConfirmLeadership. EffectConfirmed answers it.
	ConfirmLeadership struct {
		TimeoutMs int64
		Done      func(protocol.LeaderEpoch, error)
	}
	// Metadata is a note: what the metadata shows of the partition.
	Metadata struct{ State protocol.PartitionState }
	// ISRAnswered is a note: the outcome of an EffectAlterISR. Done is false also
	// when it is not known.
	ISRAnswered struct {
		Change protocol.ISRChange
		Done   bool
	}
	// Tick is a note: time has passed.
	Tick struct{}
	// StepAside is a note: the metadata cannot be reached, see Partition.StepAside.
	StepAside struct{ AfterMs int64 }
	// Damaged is a note: a reader found damage. The replica goes offline, for good.
	Damaged struct{ Err error }
	// BaseWritten is a note: the work of an EffectWriteBase has ended.
	BaseWritten struct{ Err error }

	// Begin is a task: the broker is registered, in this broker epoch. Each
	// registration has an epoch of its own, also where the process went on: what
	// was promised in the last one stands, because all of it is synced first.
	Begin struct{ BrokerEpoch protocol.BrokerEpoch }
	// Configure is a task: the topic's new settings.
	Configure struct{ Settings Settings }
	// Housekeep is a task: what time asks for, see Partition.Housekeep.
	Housekeep struct{ Call *Call }
	// Retain is a task: drop what the topic's retention no longer keeps. The lock
	// base was synced since the last Housekeep.
	Retain struct{ Call *Call }
	// DeleteBefore is a task: move the log start, see Partition.DeleteBefore.
	DeleteBefore struct {
		Offset protocol.Offset
		Call   *Call
	}
	// PlanCompaction is a task: Call.Plan says how far a pass may go.
	PlanCompaction struct {
		Options CompactOptions
		Call    *Call
	}
	// AdoptCompaction is a task: take what a pass has made into the log, by EffectAdopt.
	AdoptCompaction struct{ Call *Call }
	// Checkpoint is a task: save all folds.
	Checkpoint struct{ Call *Call }
	// Stop is the last task but a Checkpoint: nothing is proposed any more.
	Stop struct{}
)

// Call is an event's question. Its answer comes with an EffectReturn; the owner
// who asks may hang what it needs on it.
type Call struct {
	Start protocol.Offset         // of DeleteBefore: the log start
	Plan  *segment.CompactOptions // of PlanCompaction; nil: none may be made
	Err   error

	Return func()              // the owner's: called when EffectReturn is done
	Pass   *segment.Compaction // the owner's: of AdoptCompaction
}

func (*Done) event()             {}
func (*Propose) event()          {}
func (FollowerFetch) event()     {}
func (LeaderAnswer) event()      {}
func (Synced) event()            {}
func (ConfirmLeadership) event() {}
func (Metadata) event()          {}
func (ISRAnswered) event()       {}
func (Tick) event()              {}
func (StepAside) event()         {}
func (Damaged) event()           {}
func (BaseWritten) event()       {}
func (Begin) event()             {}
func (Configure) event()         {}
func (Housekeep) event()         {}
func (Retain) event()            {}
func (DeleteBefore) event()      {}
func (PlanCompaction) event()    {}
func (AdoptCompaction) event()   {}
func (Checkpoint) event()        {}
func (Stop) event()              {}
