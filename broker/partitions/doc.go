// Package partitions is what one broker hosts: the replicas that the cluster's
// metadata gives it, their logs on its disk, and the disk itself.
//
// It is not the rules of one replica (package replica), and it talks to nobody: it
// knows neither a connection nor a Kafka message, and its errors are Go's. Package
// broker turns them into codes.
//
//	Host        the set of hosted partitions. One goroutine, Run, makes it follow the
//	            image of the metadata; everyone else reads an immutable snapshot
//	Topic       one topic's partitions and what they share: settings, compression
//	Partition   a hosted replica, or the reason why there is none
//	DiskSpace   how much of the disk is free, and what is refused when it is little
//	Identity    whose a data directory is
//	Repair      what lockstep repair does to a data directory that no broker has open
//
// Invariants:
//
//   - A partition's log is listed (logs.list) before it is written to. One that is
//     listed and not there is lost, and an empty one does not take its place while the
//     metadata counts on what it held.
//   - No partition serves before the broker is registered: Run opens logs, Begin tells
//     the partitions the broker epoch, and only then the metadata is applied to them.
//   - A clean shutdown is noted only when every partition was closed without an error.
//
// Run, RunHousekeeping and RunCompaction are loops of their own, started and waited
// for by whoever made the Host. All else may be called from any goroutine, but
// ApplySettings and Options' functions are called by Run's alone once it runs.
package partitions
