// Command peers measures Lockstep beside NATS JetStream, the nearest relative
// that refuses conflicting writes, in one run on one machine, and prints one
// table and the project's aims. `make bench-peers` runs it; -h lists the flags.
//
// It is a module of its own, so that nothing of NATS comes near the product's
// dependencies. Both servers are processes: bin/lockstep, and nats-server from
// its module under a main of ours (`peers nats`), with its defaults.
//
// # What is compared
//
//	hot      writers that contend for one lock, or one subject: each with a
//	         connection of its own reads, decides, writes on condition, and
//	         decides again when it was refused. The value is a counter, and a
//	         measurement in which it is not the number of commits fails
//	async    one client, conditional writes of 100 B that contend with nobody
//	single   the same, one in flight
//	atomic8  eight locks, or eight subjects, in one step
//	own      Lockstep alone: conditional appends beside kgo's plain producer
//	refused  Lockstep alone: one append of a hundred in conflict, beside none
//
// # What makes it fair
//
// Neighbours are compared: the sides of a workload are measured in turn, there
// and back (A B B A), on servers that were started for it, in topics and streams
// of their own; a ratio is taken of neighbours, and the table shows the median
// and the extent. Page memory is warmed before. Each side has its own best
// client: client.Client and client.View for Lockstep, nats.go's jetstream
// package for NATS, and where its users have a choice that matters (to back off
// or not, publishes one by one or by a fast batch) both are measured. "fsync"
// is flush.messages=1 and sync_interval: always; without it neither side syncs.
package main
