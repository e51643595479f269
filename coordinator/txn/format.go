package txn

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The records of the transaction log are Kafka's, so that its tools read them:
//
//	key       version 0 │ transactional id string
//	value v1  version │ producer id int64 │ epoch int16 │ timeout ms int32 │ state int8
//	          │ topics array of (name, partitions array of int32, tags) │ last update int64 │ start int64
//	          │ tags: 0 previous producer id, 1 next producer id, 2 the client's transaction version
//
// In an entry of topics stands a tag of ours, the topic's id. Kafka keeps names
// alone, and so takes a topic that was made again for the one that was written to.
// Two more of ours hold the epoch that the client may still know itself by, and the
// number of the last end.
const (
	valueVersion   = 1
	tagTopicID     = 10_000
	tagLastEpoch   = 10_001
	tagNumber      = 10_002
	version2       = 2 // ClientTransactionVersion of a transaction that raises the epoch
	keyVersion     = 0
	topicIDBytes   = 16
	lastEpochBytes = 2
	numberBytes    = 8
)

func keyOf(id string) []byte {
	k := kmsg.TxnMetadataKey{Version: keyVersion, TransactionalID: id}
	return k.AppendTo(nil)
}

func (t *transaction) value() []byte {
	v := kmsg.NewTxnMetadataValue()
	v.Version = valueVersion
	v.ProducerID, v.ProducerEpoch, v.TimeoutMillis = t.producer.ID, t.producer.Epoch, t.timeoutMs
	v.State = kmsg.TransactionState(t.state)
	v.LastUpdateTimestamp, v.StartTimestamp = t.updateMs, t.startMs
	v.PreviousProducerID, v.NextProducerID = t.previous, t.next
	if t.bumps {
		v.ClientTransactionVersion = version2
	}
	if t.lastEpoch != noEpoch {
		v.UnknownTags.Set(tagLastEpoch, binary.BigEndian.AppendUint16(nil, uint16(t.lastEpoch)))
	}
	if t.number != 0 {
		v.UnknownTags.Set(tagNumber, binary.BigEndian.AppendUint64(nil, uint64(t.number)))
	}
	if t.state != Empty {
		v.Topics = []kmsg.TxnMetadataValueTopic{}
	}
	for _, p := range sorted(t.partitions) {
		last := len(v.Topics) - 1
		if last < 0 || v.Topics[last].Topic != p.Topic || idOf(&v.Topics[last]) != p.TopicID {
			e := kmsg.NewTxnMetadataValueTopic()
			e.Topic = p.Topic
			e.UnknownTags.Set(tagTopicID, bytes.Clone(p.TopicID[:]))
			v.Topics = append(v.Topics, e)
			last++
		}
		v.Topics[last].Partitions = append(v.Topics[last].Partitions, p.Index)
	}
	return v.AppendTo(nil)
}

// idOf is a topic's id in an entry; none in one that Kafka wrote.
func idOf(e *kmsg.TxnMetadataValueTopic) (id [topicIDBytes]byte) {
	e.UnknownTags.Each(func(tag uint32, b []byte) {
		if tag == tagTopicID && len(b) == topicIDBytes {
			copy(id[:], b)
		}
	})
	return id
}

// Replay folds one record of the log into the state. A record of a kind that is
// not known, which a newer broker may have written, is passed over; one that
// cannot be read is ErrBadRecord.
func (c *Coordinator) Replay(key, value []byte) error {
	if len(key) >= 2 && (key[0] != 0 || key[1] != keyVersion) {
		return nil
	}
	var k kmsg.TxnMetadataKey
	if err := k.ReadFrom(key); err != nil || k.TransactionalID == "" {
		return fmt.Errorf("%w: key %x", ErrBadRecord, key)
	}
	if value == nil {
		delete(c.byID, k.TransactionalID)
		return nil
	}
	t, err := read(value)
	if err != nil {
		return fmt.Errorf("%w: transactional id %q: %w", ErrBadRecord, k.TransactionalID, err)
	}
	t.id = k.TransactionalID
	c.byID[t.id] = t
	return nil
}

func read(value []byte) (*transaction, error) {
	v := kmsg.NewTxnMetadataValue()
	if err := v.ReadFrom(value); err != nil {
		return nil, err
	}
	state := State(v.State)
	switch {
	case v.Version < 0 || v.Version > valueVersion:
		return nil, fmt.Errorf("version %d of the value", v.Version)
	case state < Empty || state > CompleteAbort:
		return nil, fmt.Errorf("state %d", state)
	case v.ProducerID < 0 || v.ProducerEpoch < 0:
		return nil, fmt.Errorf("producer %d in epoch %d", v.ProducerID, v.ProducerEpoch)
	}
	t := &transaction{
		producer: Producer{v.ProducerID, v.ProducerEpoch}, previous: v.PreviousProducerID, next: v.NextProducerID,
		lastEpoch: noEpoch, timeoutMs: v.TimeoutMillis, state: state, startMs: v.StartTimestamp,
		updateMs: v.LastUpdateTimestamp,
		bumps:    v.ClientTransactionVersion >= version2,
	}
	v.UnknownTags.Each(func(tag uint32, b []byte) {
		switch {
		case tag == tagLastEpoch && len(b) == lastEpochBytes:
			t.lastEpoch = int16(binary.BigEndian.Uint16(b))
		case tag == tagNumber && len(b) == numberBytes:
			t.number = int64(binary.BigEndian.Uint64(b))
		}
	})
	if len(v.Topics) > 0 {
		t.partitions = make(map[Partition]bool)
	}
	for i := range v.Topics {
		e := &v.Topics[i]
		for _, index := range e.Partitions {
			t.partitions[Partition{e.Topic, idOf(e), index}] = true
		}
	}
	return t, nil
}
