package broker

import (
	"github.com/lockstep-log/lockstep/protocol"
	"github.com/lockstep-log/lockstep/protocol/record"
	"github.com/lockstep-log/lockstep/replica"
)

// turnedAway are the batches of one connection that were refused on the way to
// their partition, which knows nothing of them: there was none yet, or a check
// beside its loop has failed. What the client has sent behind one of them
// arrives on the same connection, and must not begin the producer's part of the
// log. It is the reader's.
type turnedAway struct {
	replica.Missing[producerAt]
}

// producerAt is an idempotent producer in one partition.
type producerAt struct {
	topic string
	index int32
	id    protocol.ProducerID
}

// note takes in a batch that was refused.
func (t *turnedAway) note(topic string, index int32, raw []byte) {
	if id, epoch, first, ok := record.PeekProducer(raw); ok {
		t.Note(producerAt{topic, index, id}, epoch, first)
	}
}

// behind reports whether a batch was refused before b, which the partition will
// judge now.
func (t *turnedAway) behind(topic string, index int32, b record.Batch) bool {
	if t.None() {
		return false
	}
	at := producerAt{topic, index, b.ProducerID()}
	if t.Holds(at, b.ProducerEpoch(), b.BaseSequence()) {
		return true
	}
	t.Forget(at)
	return false
}
