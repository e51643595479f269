// Package sim runs a whole cluster of replicas of one partition on one
// goroutine, from a seed: the same seed gives the same run, to the last event.
//
// What is real: replica.Machine and all that is in it (Core, the order in which
// a batch is judged, verdicts per append, group commit, what a follower takes
// over, checkpoints), its folds, conflict.LockTable and replica.Producers,
// plan.Elect and store.Memory, segment's compaction, and the bytes
// of the batches.
// What is a model: disks with a synced and an unsynced part, the network, the
// clock, a Partition's mailbox, and the clients. A broker does the effects of
// its machine one by one, and may crash between any two.
//
// A World is one run: it breaks things for a while (crashes, cut links, lost,
// late and doubled messages, pauses, bit flips, lease loss), then heals, and
// must come to rest with everything answered. The checker is told of all that clients
// and brokers see and alone decides whether a run is sound. Bugs are known ones that can be
// planted, to prove that the checker would see them; Marks count rare paths, to
// prove that the runs reach them.
//
// RunTxn is another, smaller world, of transactions that hold locks in several
// partitions: without followers, and with leaders that begin anew.
//
// Nobody imports this package.
package sim
