package record

import "github.com/lockstep-log/lockstep/protocol"

// Parse is the gateway for bytes that a client sent as one partition's
// records: exactly one batch and nothing behind it. It checks what Kafka's
// LogValidator checks of a header, in this order: size and limit, magic, CRC,
// attributes, codec, offsets and counts, producer fields, timestamps. It does
// not open the records. Errors are of type *Error.
//
// Where it is lenient, clients need it: without a producer id, sarama leaves
// base sequence 0 and kafkajs epoch 0, and the leader epoch may be anything.
func Parse(b []byte, lim Limits) (Batch, error) {
	lim = lim.withDefaults()
	if err := checkMagic(b); err != nil {
		return Batch{}, err
	}
	size, ok := PeekSize(b)
	most, bounded := lim.BatchBytesMax.Get()
	switch {
	case !ok:
		return Batch{}, refuse(Corrupt, "%d bytes that do not begin with a batch's size", len(b))
	case bounded && int64(size) > most:
		return Batch{}, refuse(TooLarge, "%d bytes, over the limit of %d", size, most)
	case size > len(b):
		return Batch{}, refuse(Truncated, "%d bytes of %d", len(b), size)
	case size < len(b):
		return Batch{}, refuse(Invalid, "%d bytes behind the batch; exactly one batch is allowed", len(b)-size)
	}
	batch := Batch{b[:size:size]}
	if err := checkCRC(batch); err != nil {
		return Batch{}, err
	}
	if err := checkSent(batch, lim); err != nil {
		return Batch{}, err
	}
	return batch, nil
}

// checkSent proves the header of a batch that comes from a client.
func checkSent(b Batch, lim Limits) error {
	attributes, count := b.Attributes(), b.Count()
	switch {
	case attributes.Control():
		return refuse(Invalid, "clients may not write control batches")
	case attributes&^attrFromClients != 0:
		return refuse(Invalid, "attributes %#04x are not a client's", uint16(attributes))
	case b.BaseOffset() != 0:
		return refuse(Invalid, "base offset %d; a client sends 0", b.int64(atBaseOffset))
	}
	if err := checkWritten(b); err != nil {
		return err
	}
	switch {
	case count < 1:
		return refuse(Invalid, "no records")
	case b.LastOffsetDelta() != count-1:
		return refuse(Invalid, "%d records with last offset delta %d", count, b.LastOffsetDelta())
	case int(count) > lim.RecordsMax:
		return refuse(TooLarge, "%d records, over the limit of %d", count, lim.RecordsMax)
	}
	if err := checkProducer(b); err != nil {
		return err
	}
	return checkTimestamps(b)
}

func checkProducer(b Batch) error {
	id, epoch, sequence := b.ProducerID(), b.ProducerEpoch(), b.BaseSequence()
	switch {
	case id < protocol.NoProducer:
		return refuse(Invalid, "producer id %d", id)
	case id == protocol.NoProducer && b.Transactional():
		return refuse(NoTransaction, "transactional without a producer id")
	case id == protocol.NoProducer:
		return nil
	case epoch < 0 || sequence < 0:
		return refuse(Invalid, "producer id %d with epoch %d and sequence %d", id, epoch, sequence)
	}
	return nil
}

// checkTimestamps leaves the times themselves to those who know what the topic
// allows. Times before 1970 are times.
func checkTimestamps(b Batch) error {
	if b.LogAppendTime() {
		return refuse(InvalidTimestamp, "only a broker may say log append time")
	}
	return nil
}
