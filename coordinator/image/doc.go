// Package image is the metadata at one moment: which brokers, topics, partitions and
// settings there are and who leads what. It decides nothing and writes nothing.
//
//   - [Image] is an immutable snapshot at one revision of the store.
//   - [Fold] makes the next Image out of one Image and the store's changes since;
//     [Load] makes one out of a listing. Both give the same.
//   - [Broker], [Topic] and [Partition] are what is in it; a Partition embeds the
//     protocol.PartitionState that its replicas are told.
//
// Invariants:
//
//   - An Image never changes once it is made; the next one shares what did not change.
//   - What a fold cannot read it leaves as it was, and says so: one bad value must not
//     stop a cluster.
//   - State of a partition whose topic is gone means nothing.
//
// All of it is pure: no goroutine, lock, clock or I/O. An Image may be read from
// any goroutine; callers must not write to anything they reach through it.
package image
