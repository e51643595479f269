package txn

import "slices"

// State is where a transactional id stands:
//
//	          ┌───────────────── add partitions ─────────────────┐
//	          ▼                                                   │
//	Empty ─► Ongoing ── end: commit ──► PrepareCommit ─ markers ─► CompleteCommit
//	            │                                                 │
//	            └─ end: abort, timeout, fence ─► PrepareAbort ─ markers ─► CompleteAbort
//
// Numbers and names are Kafka's. InitProducerId leads from Empty and the complete
// states to Empty. An aborting client of transaction version 2 goes through
// PrepareAbort from there as well, without partitions, to have its epoch raised.
type State int8

// The states. Dead and PrepareEpochFence are Kafka's, and never in our logs.
const (
	Empty State = iota
	Ongoing
	PrepareCommit
	PrepareAbort
	CompleteCommit
	CompleteAbort
	Dead
	PrepareEpochFence
)

var stateNames = []string{
	"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence",
}

// String is the name in ListTransactions and DescribeTransactions.
func (s State) String() string { return stateNames[s] }

// ParseState reads a name; case matters, as in Kafka.
func ParseState(name string) (State, bool) {
	i := slices.Index(stateNames, name)
	return State(i), i >= 0
}

// ending reports whether the end is logged and markers are on their way.
func (s State) ending() bool { return s == PrepareCommit || s == PrepareAbort }
