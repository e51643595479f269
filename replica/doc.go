// Package replica keeps one broker's copy of one partition. A Machine is all
// its rules as a pure value: events go in, effects come out, and the clock is an
// argument. It judges, places, has written and synced, and answers, as one group
// for all that waits; it says what checkpoints, retention and compaction may do.
// What is folded from the log, the lock table, the producers' sequences and the
// transactions, it keeps as a list of Folds. Who may append at all, what is committed and what has
// to be cut off, its Core says: the rules of leader, follower, epoch, ISR and high
// watermark. A Partition drives a Machine: mailbox, goroutine and I/O. A test, or
// the simulator, drives the same Machine otherwise.
//
// Its few types: Machine, Event, Effect, Fold, Core; Partition, Host (the broker,
// as a partition sees it), State (what a partition shows of itself), Proposal (a
// batch on its way in), Producers (the sequence fold) and Waker (who waits for
// the log to move).
//
// Invariants:
//
//	log start <= last stable offset <= high watermark <= synced end <= log end
//	the folds have seen exactly the batches below the log end
//	an answer is sent once what it cites is below the high watermark
//
// The broker calls from any goroutine; only the loop changes state. Readers
// take the high watermark and an immutable range of the log and never enter
// the loop. The package knows nothing of Kafka's error codes or messages.
package replica
