// Command chaos hurts a cluster of three real brokers, round after round, under
// a workload that remembers everything it was told, and judges each round by
// what is in the logs. `make chaos ROUNDS=n SEED=s` runs it; -h lists the flags.
//
//	seed ─► schedule ─► fault ─► rig (processes, links, disks)
//	                               ▲
//	                 workload ─────┘ ─► history ─► check ─► a line a round, a verdict
//
// A seed replays the schedule of faults: which, whom, when, for how long. What
// the machine then makes of it is not replayed; for that there is test/sim.
//
// Network namespaces, loop devices and strace are used where the machine permits
// them, and what needs one that is missing is left out, and said.
package main
