// Package coordination runs coordinators: state machines of which each partition
// of one internal topic holds one, as Kafka's CoordinatorRuntime does (KIP-848).
// The consumer groups of __consumer_offsets are such, and so are the transactions
// of __transaction_state.
//
// A [Machine] is pure. The [Runtime] does for it what needs a log, a clock and
// goroutines:
//
//   - load: when this broker begins to lead a partition, the machine is made of
//     the partition's log, up to what was there when the leadership began;
//   - propose: a command changes the machine at once and yields [Effects], whose
//     records are appended in the leader epoch that the machine lives for;
//   - commit and reply: what a client is told is sent when all that it rests on
//     is committed;
//   - drop: when the leadership ends, or an append fails and the machine is ahead
//     of its log, everybody who waits is answered and the machine is forgotten.
//     In the latter case it is loaded again.
//
// A [Shard] is one machine in one leadership. All machines of a runtime are owned
// by one goroutine, [Runtime.Run]; who wants something of a machine has a function
// run there ([Runtime.Do], [Runtime.Serve]).
//
// The package knows no Kafka message, and nothing of what is coordinated. What it
// asks of the broker is the two interfaces [Partitions] and [Partition]. Its errors
// are Kafka's three for coordinators: not here, not yet, not now.
package coordination
