// Package coordinator is the control plane: it says which brokers, topics,
// partitions and settings exist and who leads what. It moves no record and
// knows nothing of logs, locks or connections.
//
// Its few types:
//
//   - [Store] is a small linearizable key-value store with revisions, watches
//     and leases. [EtcdStore] is the real one, over an outside etcd
//     ([DialEtcd]) or over one in this process ([StartEmbedded]); [MemStore]
//     keeps the same contract in memory. The contract is a test suite, in
//     coordinator/storetest.
//   - [Image] is an immutable snapshot of the metadata at one revision.
//   - [Cluster] keeps the newest Image, folded from the store's watch, and
//     changes the store by compare-and-swap.
//   - [Place], [Elect] and [Reassign] are pure functions: who gets a new
//     partition, who leads it, and when it has moved. The controller, which is
//     one of the brokers, carries out the latter two.
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
