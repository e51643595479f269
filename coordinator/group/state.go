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
// Groups of the consumer protocol have states that follow from their members;
// see modern.
type State uint8

// The states, as Kafka's tools know them.
const (
	Empty State = iota
	PreparingRebalance
	CompletingRebalance
	Stable
	Dead
	Assigning   // consumer protocol: the target is being made
	Reconciling // consumer protocol: members are being led to their targets
)

var stateNames = [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Assigning",
	"Reconciling"}

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
