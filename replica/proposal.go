package replica

import (
	"errors"

	"github.com/lockstep-log/lockstep/conflict"
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
)

// Acks says what a producer waits for; the numbers are Kafka's.
type Acks int16

const (
	AcksNone   Acks = 0  // nothing: no answer is sent
	AcksLeader Acks = 1  // the leader's write
	AcksAll    Acks = -1 // the write of every in-sync replica
)

// Proposal is a batch on its way into a partition and the answer on its way
// out. Whoever proposes fills the first block and leaves the value alone until
// Done is called.
type Proposal struct {
	Batch record.Batch      // proven; its bytes are the log's until Done, to place them and to take records out
	Locks *conflict.Request // nil when the batch holds no lock header; of one that is carried, what marks
	Acks  Acks
	Done  Completer
	// PerAppend asks for a verdict per append: refused and repeated ones are
	// left out of the batch and the others are written. It has no meaning
	// without Locks.
	PerAppend bool
	// OnlyIn is the leader epoch that the batch may be appended in; nil: any. Its
	// writer has decided on what earlier epochs left in the log.
	OnlyIn *protocol.LeaderEpoch
	// Marker makes the batch the marker of a transaction's end. nil: it is none.
	Marker *Marker
	// Joins is, for a batch of a transaction, where the producer's last marker was in
	// this partition when somebody saw to it that the batch belongs to the transaction
	// that its coordinator knows, see TransactionState.Ended. nil: its writer is the
	// coordinator, or somebody as good.
	Joins *protocol.Offset
	// FirstAtZero says that the producer's epoch rises with each of its transactions:
	// a first batch that does not begin at sequence 0 is not the first.
	FirstAtZero bool
	// Behind says that a batch which the producer sent before this one, for the
	// same partition, was refused on its way here.
	Behind bool
	// TimeoutMs is how long the answer may wait; 0 is for ever.
	TimeoutMs int64

	Result Result

	await             protocol.Offset // the answer may be sent when the high watermark is above this,
	round             int64           // and this round of leadership is confirmed
	needsConfirmation bool            // the answer rests on what is not in the log
	sinceMs           int64           // when it was judged
	deadlineMs        int64           // 0: there is none
}

// fail makes the answer an error.
func (q *Proposal) fail(err error) {
	q.Result = Result{Base: -1, LogStart: q.Result.LogStart, AppendTimeMs: -1, Err: err}
	q.await = protocol.None
}

// refused reports whether the batch was not appended, for a reason of its own.
func (q *Proposal) refused() bool {
	return q.Result.Refusal != nil || q.Result.Err != nil && !errors.Is(q.Result.Err, ErrOutOfOrderSequence)
}

// StartTimeout begins the time that the answer may wait.
func (q *Proposal) StartTimeout(nowMs int64) {
	if q.TimeoutMs > 0 {
		q.deadlineMs = nowMs + q.TimeoutMs
	}
}

// Expired reports whether the answer has waited for as long as it may.
func (q *Proposal) Expired(nowMs int64) bool { return q.deadlineMs != 0 && nowMs >= q.deadlineMs }

// gap is the answer to a sequence that does not follow: a leader that was
// deposed and does not know it would see gaps where there are none.
func (q *Proposal) gap(err error, end protocol.Offset) protocol.Offset {
	q.Result.Err, q.needsConfirmation = err, true
	return end
}

// Completer is told, once, that a proposal's result is final. It is called from
// the partition's loop and must not block.
type Completer interface{ Completed(*Proposal) }

// Result is the answer to a Proposal: a place in the log, a refusal of its
// locks, or an error.
type Result struct {
	Base         protocol.Offset // of the batch, or of its first arrival
	LogStart     protocol.Offset
	AppendTimeMs int64 // -1 unless the topic stamps batches itself
	Repeated     bool  // nothing was written now: all of it was in the log before
	Refusal      *protocol.Refusal
	Err          error
	Skipped      []conflict.Skipped // the appends left out, when a verdict per append was asked for
}
