// Package conflict admits or refuses conditional appends to one partition.
//
// It is not a lock manager: outside of transactions nobody holds a lock and nothing
// is ever released.
// A lock is a name; last(L) is the offset of the newest record that named it;
// a writer says up to which offset it had read, and is refused when last(L)
// lies beyond. The lock table is therefore a fold over the partition's log: it
// can be lost at any time and is folded again.
//
// The types, in the order in which a batch meets them:
//
//	Request      the lock headers of one batch, parsed and hashed by Read
//	             on the goroutine of the connection, outside the partition's loop
//	LockTable  one partition's table; admits a Request, or judges and marks it
//	Verdict      what Judge found of a Request that Admit was not sure of
//	Budget       how much memory the windows of all partitions may take
//	Base         the locks that fell out of the windows, of all partitions, on disk
//
// # Where last(L) is found
//
//	offset 0                      W                    young.start        end
//	   |--------- Base -----------|----- frozen -------|----- young -------|
//	        Pebble, on disk          in memory            in memory
//
// The window is a list of generations, each an exact hash table of the locks
// marked in its range of offsets. A request is searched from the young
// generation backwards and only while a generation starts after basis+1: what
// lies before cannot be newer than the basis. So nearly every request touches
// one table, and the disk is read only for a basis below W-1.
//
// A generation that is large enough is frozen, and once the high watermark has
// passed its end it is written to the Base: one put per distinct lock, sorted,
// together with the offset that the Base has now applied. The Base is never
// ahead of the high watermark, so a truncation never has to undo it. The write
// is work that the owner may run on another goroutine; the generation is
// dropped only when that work is done and the memory is wanted.
//
// # Transactions
//
// A request of a transaction marks nothing when it is appended: it holds its locks,
// and its marks are applied with their own offsets when its marker commits it. What
// is undecided is kept beside the generations, see holds; nothing at or behind the
// first undecided record is written to the Base, so that who starts folds all of
// it again. Where this speaks of the high watermark, the last stable offset is meant
// as soon as there are transactions.
//
// # Exactness
//
// Windows are keyed by a 128-bit hash under seeds that this process chose at
// random and tells nobody: two names that collide can be found by chance only,
// which does not happen. The Base holds full names. Nothing is ever forgotten
// without raising the history start, below which an unknown lock is refused
// with UNKNOWN rather than guessed.
//
// A lock-id is remembered beside the locks, by the same generations and the
// same Base, with a digest of what was appended under it.
//
// # Invariants
//
//   - applied < W <= young.start <= end+1, where applied is the Base's.
//   - applied < high watermark at the time it was written.
//   - The table after Mark equals the table after Fold of the bytes that were
//     appended; no clock takes part in either.
//   - Judge changes nothing, and Admit nothing but what it admits: a refused
//     batch leaves no trace.
//
// A LockTable belongs to the goroutine of its partition and has no lock of
// its own; Read, Prepare, Base and Budget may be used by all.
package conflict
