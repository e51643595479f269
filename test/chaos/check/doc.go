// Package check judges what a cluster did under faults, from two things alone:
// what clients were told, and what is in the logs at the end. It knows nothing
// of brokers. Its own tests plant each violation and see it found.
//
//	clients' history ─┐
//	logs as read     ─┼─► violations, in words
//	logs on disk     ─┘
//
// The promises, with what breaks them:
//
//   - an acknowledged record is at its offset (acks.go);
//   - a record is in the log at most once, a refused one not at all (acks.go);
//   - records of one producer keep their order, and what was acknowledged before
//     something else was sent lies before it (order.go);
//   - no admitted record overlooked a write that its basis did not cover, and
//     every refusal cites a record that is there and names the lock (locks.go);
//   - a reader is given each offset once, in order, as the log has it (reads.go);
//   - no account is overdrawn (bank.go);
//   - what conditional writers saw is linearizable, by porcupine (register.go);
//   - all replicas hold the same bytes (replicas.go).
package check
