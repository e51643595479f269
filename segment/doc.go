// Package segment keeps one partition's batches on one disk.
//
// A Log is a row of segments: files of record batches, byte for byte as they
// came over the wire, the last of which is written to. Beside them lie sparse
// indexes, which can be lost, and a manifest, which cannot: it says which
// segments make up the log, which leader epochs wrote them and up to where the
// log was on disk for certain when the manifest was written. Nobody outside
// this package knows what an index or a manifest is; docs/format.md draws them.
//
// The package knows nothing of replication or of who may read how far: readers
// pass the bound. Of locks it knows what compaction must leave, see Compaction.
// It starts no goroutine and reads no clock; it sleeps only while no file descriptor is free.
//
// # Who may call what
//
// Append, Sync, Checkpoint, Truncate, SetStart, Retain, Compact, Adopt, SetConfig,
// the checkpoints of folds and Close belong to one owner, the partition's loop.
// Everything that reads may be called from any goroutine: it works on an
// immutable snapshot, taken by one atomic load, and never waits for the writer.
//
// # What survives
//
// What was synced survives a power cut. What was appended but not synced may
// be lost in part and out of order, for a disk writes pages in any order:
// recovery keeps the longest whole prefix of it. The first write or sync that
// fails is final; every later call returns the same error, because a kernel
// forgets the pages that it could not write and a second fsync would lie.
//
// Damage is told from a torn tail, and refused: see recover.go.
package segment
