// Package txn is the transaction coordinator: it decides which producer a
// transactional id belongs to, which partitions its open transaction has, and
// how that transaction ends.
//
// A [Coordinator] is a pure fold over one partition of __transaction_state, in
// Kafka's record formats: a command changes the state at once and yields
// [Effects]. Whoever drives it appends the records in order, and sends replies
// and markers when all records so far are committed. If an append fails, the
// state has run ahead of the log: the driver drops the Coordinator and folds the
// log again with Replay, then calls Start.
//
// The protocol is KIP-98's with KIP-360 and KIP-890 (transaction version 2: the
// epoch of a producer rises with each of its transactions), and older clients
// beside it. It differs from Kafka in what would break a promise of ours:
//
//   - EndTxn is answered when every marker is in its partition's log, so that
//     nothing joins a transaction, and none of its locks is held, once its end
//     is told.
//   - The epoch rises with every end of a transaction that began without
//     AddPartitionsToTxn, whatever the version of its EndTxn.
//   - A commit with a partition whose topic was deleted, or deleted and made
//     again, is refused: all or nothing.
//   - A transaction ends when its timeout is over, not at the next of some scan.
//   - A request with an old epoch of the producer never ends a newer transaction.
//
// There is no goroutine, clock or I/O here: now is an argument in milliseconds
// since 1970, because timeouts outlive the process, and NextDeadline says when
// Tick wants to be called. One owner at a time.
package txn
