package group

// State is where a group stands:
//
//	Empty ──join──► PreparingRebalance ──all joined, or time is up──► CompletingRebalance
//	  ▲                 │        ▲                                        │        │
//	  └──nobody left────┘        └──────join, leave, expiry──────────────┤   leader syncs
//	                                                                      │        ▼
//	                                                                      └───── Stable
//
// A group that is deleted is Dead, and forgotten with the command that did it.
type State uint8

// The states, as Kafka's tools know them.
const (
	Empty State = iota
	PreparingRebalance
	CompletingRebalance
	Stable
	Dead
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}

// String is the name in ListGroups and DescribeGroups.
func (s State) String() string { return stateNames[s] }

// follows is the table of transitions: follows[to] are the states it may come from.
var follows = [...][]State{
	Empty:               {PreparingRebalance},
	PreparingRebalance:  {Empty, CompletingRebalance, Stable},
	CompletingRebalance: {PreparingRebalance},
	Stable:              {CompletingRebalance},
	Dead:                {Empty, PreparingRebalance, CompletingRebalance, Stable},
}
