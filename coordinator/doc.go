// Package coordinator is the control plane: it says which brokers, topics,
// partitions and settings exist and who leads what. It moves no record and
// knows nothing of logs, locks or connections.
//
// Its parts:
//
//   - Package store keeps the metadata: etcd, in this process or outside, or memory.
//   - Package image is an immutable snapshot of it, folded from the store's watch.
//   - Package plan decides, purely: elections, placement, reassignments, ISRs.
//   - [Cluster], here, drives them. It holds a Store, publishes Images, and proposes
//     changes by compare-and-swap. It keeps this broker registered and, while this
//     broker is controller, carries out what is planned.
//   - Package refusal has the kinds of refusal, by which Kafka's error codes are chosen.
//
// Packages group, txn, deadline and settings beside them know none of these.
//
// Invariants:
//
//   - An Image never changes once published, and its revision only rises.
//   - A change is one transaction that compares the revision of everything it
//     was decided from. Two brokers that change the same thing never both win.
//   - A mutating call returns after this node's own Image shows the change.
//   - A topic id and a producer id are never given twice.
//
// Safety rests on the compares alone. Leases, the controller's key and what a
// broker believes of others decide only how soon something happens.
//
// Readers call [Cluster.Image] from any goroutine; it takes no lock. Only
// [Cluster.Run] starts goroutines.
package coordinator
