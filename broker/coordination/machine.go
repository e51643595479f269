package coordination

import "github.com/lockstep-log/lockstep/protocol"

// Machine is the state of one partition: a fold over its log. Commands are the
// machine's own methods, of which the runtime knows nothing: who calls one hands
// its effects to Shard.Apply.
type Machine interface {
	// Replay folds one record of the log, before Start. It may not keep the record's
	// memory. Markers of transactions come here as well: see Origin.
	Replay(at protocol.Offset, by Origin, r Record) error
	// Start begins, once the log is folded, what depends on time.
	Start(nowMs int64) Effects
	// NextDeadline is when to call Tick at the latest.
	NextDeadline() (nowMs int64, ok bool)
	// Tick does what is due.
	Tick(nowMs int64) Effects
}

// Record is a record of the partition's log. A nil Value is a tombstone.
type Record struct{ Key, Value []byte }

// Origin says whose a batch is. A batch of a transaction counts when the
// transaction is committed, which a control record of the same producer says.
type Origin struct {
	ProducerID    protocol.ProducerID // protocol.NoProducer: outside of transactions
	ProducerEpoch protocol.ProducerEpoch
	Transactional bool
	Control       bool // the record is a marker
	Commits       bool // and says that the transaction is committed
}

// Write is one batch that a machine has appended.
type Write struct {
	Records []Record
	By      *Origin // nil: nobody's in particular, as are all records of the machine itself
}

// CallID names a call that is answered later, see Shard.Park; 0 is none.
type CallID uint64

// Reply answers a parked call.
type Reply struct {
	Call     CallID
	Response any
}

// Effects are what a machine asks for.
type Effects struct {
	// Writes are appended in this order.
	Writes []Write
	// Replies are sent when all writes so far, these too, are committed.
	Replies []Reply
	// Decided are replies that rest on nothing which could be lost: they are sent at once.
	Decided []Reply
	// Committed is called in the loop when all writes so far are committed, and not
	// at all if they fail or the leadership ends; nil: nothing.
	Committed func()
}

// Records is the usual case of Writes: one batch of the machine's own, or none.
func Records(records []Record) []Write {
	if len(records) == 0 {
		return nil
	}
	return []Write{{Records: records}}
}
