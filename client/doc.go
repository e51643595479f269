// Package client is the extended producer: conditional appends, each with a
// verdict of its own, and views that decide them.
//
// Any Kafka client can ask Lockstep for a conditional append by record headers
// (Attach sets them). What a plain producer cannot do is share a batch between
// appends without sharing their fate, learn why one was refused, and know what
// became of one whose answer was lost. That is what this package adds. It is a
// skin over kgo: connections, authentication and metadata are the kgo.Client's
// that the caller supplies.
//
//	Client   appends: Append returns offsets or an *Error, and nothing in between
//	Lock     what an append depends on: Write, Read, Append, Partition
//	View     one partition folded into a state, and the loop that reads it,
//	         decides, appends, and decides again when somebody was faster
//	Fold     the same loop for a state that is kept elsewhere; package sqlview
//	         keeps it in a database
//	Transactor  the same loop over several partitions, carried out as one transaction
//	Error    a refusal; errors.Is tells ErrConflict from ErrMalformed and ErrDuplicate
//
// # What is promised
//
// An append ends in exactly one definite outcome, or in ErrUnknownResult, which
// is only told when the caller's context ends, the client is closed, or the
// broker has forgotten what it would need to know. Appending again with the
// same Cond.ID resolves it: the id makes an append append-once.
//
// Nothing is appended twice and nothing acknowledged is lost, whatever
// connections and brokers do: batches carry sequences and are sent again with
// the same ones until the broker says what they came to. Within one goroutine,
// appends are in order; of appends that are under way at once, none is promised
// to come first.
//
// # The log must be whole
//
// A state is folded from all records of a partition. Make the topic so that it
// keeps them: conflict.policy=required, or retention.ms=-1. A View or Fold that
// begins without a state on a log that was cut ends with ErrLogCut: decisions
// on what is left of a ledger would be admitted, and wrong.
//
// # Goroutines
//
// New starts none. Each partition that is written to has one while appends are
// under way, and one for each request; Close waits for them. A View and a
// Fold have one from New to Close.
package client
