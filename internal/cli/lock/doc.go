// Package lock is the commands about locks and refusals: lock, conflicts and audit.
//
// lock and conflicts ask the HTTP side of all brokers, because a refusal is known to
// the broker that made it, and a lock's last writer to its partition's leader. audit
// and lock history read the log itself; the auditor shares no code with the broker's
// judgement but the grammar of the headers. It has one auditor a partition, with what
// undecided transactions hold there, and one graph of what all of them have seen of
// who came before whom.
package lock
