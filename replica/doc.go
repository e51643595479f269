// Package replica keeps one broker's copy of one partition. A Partition owns
// the partition's Log and what is folded from it, the lock table and the
// producers' sequences, and takes every append through one loop: judge, place,
// write, sync, answer, as one group for all that waits. Whether it may append at
// all, what is committed and what has to be cut off, its Core says, which is pure:
// the rules of leader, follower, epoch, ISR and high watermark.
//
// Its few types: Partition, Core, Host (the broker, as a partition sees it), State
// (what a partition shows of itself), Proposal (a batch on its way in), Producers
// (the sequence fold) and Waker (who waits for the log to move).
//
// Invariants:
//
//	log start <= high watermark <= synced end <= log end
//	the folds have seen exactly the batches below the log end
//	an answer is sent once what it cites is below the high watermark
//
// The broker calls from any goroutine; only the loop changes state. Readers
// take the high watermark and an immutable range of the log and never enter
// the loop. The package knows nothing of Kafka's error codes or messages.
package replica
