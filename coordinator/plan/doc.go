// Package plan is the decisions of the control plane, as pure functions of an Image
// and of what is asked for: nothing here writes, waits or looks at a clock, and the
// same arguments give the same plan. Package coordinator carries plans out; the
// simulator takes its elections from here as well.
//
//   - [Elect] says who leads a partition and who stays in its ISR, [Resign] what a
//     failed log leaves. [Elections] is what a controller wants of a whole image.
//   - [AlterISR] judges the ISR that a leader asks for.
//   - [Place] spreads a new topic's replicas; [Limits] bound it.
//   - [StartReassignment], [Reassign] and [CancelReassignment] move replicas.
//   - [ElectNow] and [ReassignNow] are what operators ask for.
//   - [SuspicionQuorum] says how many must hear nothing of a broker to fence it.
//
// Invariants:
//
//   - A next state keeps the partition epoch and the revision that it was decided
//     from, for the compare-and-swap that is to follow, and names what must not have
//     changed ([Move]).
//   - Only a member of the ISR is ever chosen, and only a leader adds one.
//   - A leader epoch has one leader, in one broker epoch.
package plan
